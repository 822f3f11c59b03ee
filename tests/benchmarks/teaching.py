"""The learning curve of `dpnp teach`: corrections of mistaken pictures against all pictures.

    python -m tests.benchmarks.teaching models/cifar10-dpnp-9d folder:PATH

Half of the test split is the pool that people correct: its first 10, 20, 50, 100 and 200 mistaken
pictures. The other half measures. The last rows refit on every picture of the pool, right or
wrong, and add the features of all training pictures. Prints a Markdown table.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from interpret.bundle.bundle import Bundle
from interpret.edit.lessons import head_of
from interpret.edit.refit import STIFFNESSES, Examples, Head, refit
from training.evaluate.held_out import HeldOut, compare, gallery_features, held_out
from training.evaluate.labelled import DataSource, load_labelled

COUNTS = (10, 20, 50, 100, 200)
MAX_LOSS = 0.01  # the command's default


def main(path: str, spec: str) -> None:
    """Print the table of one bundle."""
    bundle = Bundle.load(Path(path))
    data = load_labelled(bundle, DataSource(spec))
    test, valid = (held_out(bundle, data, name, ()) for name in ("test", "valid"))
    order = np.random.default_rng(0).permutation(len(test.labels))
    pool, rest = test.part(order[: len(order) // 2]), test.part(order[len(order) // 2 :])
    head, calibration = head_of(bundle), bundle.manifest.calibration
    scale = float(np.linalg.norm(head.prototypes, axis=1).mean())
    scale *= calibration.temperature if calibration else 1.0
    found = gallery_features(bundle, data.splits["train"])
    if found is None:
        raise SystemExit(f"{spec} is not what {path} was trained on")
    gallery = Examples(found.features, bundle.gallery.labels[found.rows])
    mistaken = np.flatnonzero(head.answers(pool.features) != pool.labels)
    print(
        "| corrections | learnt | right before | right after | turn right | turn wrong | seconds |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for count in sorted({min(count, len(mistaken)) for count in (*COUNTS, len(mistaken))}):
        lessons = pool.part(mistaken[:count])
        _row(f"{len(lessons.labels)} mistaken", head, gallery, lessons, valid, rest, scale)
    _row(f"all {len(pool.labels):,} of the pool", head, gallery, pool, valid, rest, scale, 1.0)
    whole = held_out(bundle, data, "train", ())
    everything = Examples(whole.features, whole.labels)
    name = f"all of the pool and {len(whole.labels):,} training pictures"
    _row(name, head, everything, pool, valid, rest, scale, 1.0)


def _row(
    name: str,
    head: Head,
    gallery: Examples,
    lessons: HeldOut,
    valid: HeldOut,
    rest: HeldOut,
    scale: float,
    emphasis: float = 3.0,
) -> None:
    start = time.perf_counter()
    before = float((head.answers(valid.features) == valid.labels).mean())
    for stiffness in STIFFNESSES:
        examples = Examples(lessons.features, lessons.labels)
        taught = refit(head, gallery, examples, scale, stiffness=stiffness, emphasis=emphasis)
        after = float((taught.answers(valid.features) == valid.labels).mean())
        if before - after <= MAX_LOSS:
            break
    seconds = time.perf_counter() - start
    learnt = float((taught.answers(lessons.features) == lessons.labels).mean())
    answers = (each.answers(rest.features) for each in (head, taught))
    found = compare("rest", rest.labels, *answers, [])
    print(
        f"| {name} | {learnt:.0%} | {found.before:.2%} | {found.after:.2%} | {found.righted:,} | "
        f"{found.wronged:,} | {seconds:.1f} |",
        flush=True,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
