"""`make faults SEED=… RUNS=…`: run the campaign and print a table; each failing run prints what repeats it."""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from faults import campaign
from faults.pipelines import PIPELINES

WORKERS = 2


def table(verdicts: list[campaign.Verdict]) -> str:
    """Return a Markdown table: by pipeline and disturbance, how many runs had it and what came of them."""
    rows: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for verdict in verdicts:
        for disturbance in {"all", *(verdict.disturbances or ["undisturbed"])}:
            count = rows[verdict.pipeline, disturbance]
            count.update(runs=1, lost=verdict.lost, doubled=verdict.doubled, ambiguous=verdict.ambiguous)
            count["rejected"] += verdict.rejected
            count["bad"] += not verdict.good
    columns = ("runs", "lost", "doubled", "ambiguous", "rejected", "bad")
    lines = ["| pipeline | fault | " + " | ".join(columns) + " |", "| --- | --- |" + " ---: |" * len(columns)]
    for (pipeline, disturbance), count in sorted(rows.items()):
        lines.append(f"| {pipeline} | {disturbance} | " + " | ".join(f"{count[c]:,}" for c in columns) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="first seed")
    parser.add_argument("--runs", type=int, default=20, help="runs of each pipeline")
    parser.add_argument("--pipeline", choices=PIPELINES, action="append", help="only this one")
    parser.add_argument("--keep", action="store_true", help="leave the folders of the runs")
    arguments = parser.parse_args()
    seeds = range(arguments.seed, arguments.seed + arguments.runs)
    shares = [range(seeds.start + worker, seeds.stop, WORKERS) for worker in range(min(WORKERS, len(seeds)))]
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        jobs = [
            pool.submit(campaign.work, pipeline, share, arguments.keep)
            for pipeline in arguments.pipeline or PIPELINES
            for share in shares
        ]
        verdicts = [verdict for job in jobs for verdict in job.result()]
    print(table(verdicts))
    sys.exit(any(not verdict.good for verdict in verdicts))


if __name__ == "__main__":
    main()
