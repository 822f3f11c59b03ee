"""How soon `--help` answers, of the whole command line and of `train`: half a second is the aim.

    python -m tests.benchmarks.help_time

Leave the machine idle otherwise.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

RUNS = 7
COMMANDS = {
    "dpnp --help": ["training", "--help"],
    "dpnp train --help": ["training", "train", "--help"],
    "the commands without torch": ["interpret.commands.app", "--help"],
}


def main() -> None:
    for name, words in COMMANDS.items():
        taken = []
        for _ in range(RUNS):
            started = time.perf_counter()
            subprocess.run([sys.executable, "-m", *words], check=True, capture_output=True)
            taken.append(time.perf_counter() - started)
        print(f"{name}: {statistics.median(taken):.2f} s (median of {RUNS})")


if __name__ == "__main__":
    main()
