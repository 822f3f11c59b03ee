"""A bundle's verdicts under benign changes, and on pictures of no class.

    python -m tests.benchmarks.benign_changes BUNDLE --data folder:cifar10 [--pictures 1000]
        [--ood folder:cifar100/test --ood folder:flowers/test]

The limits are found again on the split that the bundle was calibrated on, so that coverage can be
told: the share of the pictures whose class is in the prediction set and not `none_of_these`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from interpret.bundle.bundle import Bundle
from interpret.model.predictor import Predictor
from training.commands.printed_tables import print_novelty
from training.evaluate.labelled import DataSource, load_labelled
from training.evaluate.ood import evaluate_ood
from training.evaluate.under_changes import limits_of, under_changes


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--split", default=None)
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--ood", action="append", default=[])
    options = parser.parse_args()
    bundle = Bundle.load(options.bundle)
    data, predictor = load_labelled(bundle, DataSource(options.data)), Predictor(bundle)
    split = data.chosen(options.split)
    limits = limits_of(bundle, predictor, data)
    print("| change | coverage | accuracy | accept | ambiguous | none_of_these |")
    print("| --- | --- | --- | --- | --- | --- |")
    for each in under_changes(bundle, predictor, data, split, limits, options.pictures):
        shares = (each.kept, each.accuracy, *each.verdicts.values())
        print(f"| {each.change} | " + " | ".join(f"{share:.1%}" for share in shares) + " |")
    if options.ood:
        print_novelty(evaluate_ood(bundle, data, split, options.ood))


if __name__ == "__main__":
    main()
