# `make demo` and `make test` set up what they need, on Python 3.11 or newer, and do nothing twice.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo serve test lint format bundle clean

demo: .venv/installed ## train on handwritten digits, serve, post a held-out picture, show the answer
	$(BIN)/python -m training.commands.demo

serve: .venv/installed ## serve the default bundle, or the one in DPNP_BUNDLE
	$(BIN)/bentoml serve

# A file's tests share servers and trained networks, so a file stays in one process. One thread each:
# two that compute beside another process wait for each other.
test: lint ## style, types and tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

lint: .venv/installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: .venv/installed
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

DIGITS := --data digits --backbone small --embedding-dim 3 --epochs 30 --batch-size 32 --lr 0.05

bundle: .venv/installed ## train the bundle of digits anew
	rm -rf runs/digits-dpnp
	$(BIN)/dpnp train $(DIGITS) --out models/digits-dpnp --force

# pip runs again only when pyproject.toml changes.
.venv/installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing into .venv: some minutes, and 8 GB on Linux, where torch brings CUDA"
	$(BIN)/python -m pip install --quiet --editable '.[train,gpu,dev,tensorboard]'
	touch $@

clean:
	rm -rf .venv runs build *.egg-info .mypy_cache .ruff_cache .pytest_cache
