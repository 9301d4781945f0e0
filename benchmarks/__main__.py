"""`python -m benchmarks [CASE …] [--rounds N] [--records N]`: run the benchmarks, print a Markdown report."""

from __future__ import annotations

import argparse
import importlib
import platform
import sys

from benchmarks.harness import Case, measure, report

MODULES = ("start", "meltano", "tap_split_impressions", "target_amplitude", "tap_amplitude", "target_split")


def all_cases() -> list[Case]:
    """Return the cases of all connectors."""
    return [case for name in MODULES for case in importlib.import_module(f"benchmarks.{name}").cases()]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="only cases whose name contains one of these texts")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each way (default 3)")
    parser.add_argument("--records", type=int, help="records per case instead of each case's own number")
    arguments = parser.parse_args()
    print(f"Python {platform.python_version()}, {platform.machine()}, {arguments.rounds} rounds.\n")
    chosen = [c for c in all_cases() if not arguments.cases or any(text in c.name for text in arguments.cases)]
    if not chosen:
        sys.exit("No case has such a name. There are: " + "; ".join(case.name for case in all_cases()))
    for case in chosen:
        for line in report(case, measure(case, arguments.rounds, arguments.records), arguments.records):
            print(line, flush=True)


if __name__ == "__main__":
    main()
