"""`make faults SEED=… RUNS=…`: run the campaign and print tables; each failing run prints what repeats it."""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from faults import campaign
from faults.clock import preloaded
from faults.pipelines import PIPELINES
from faults.verdicts import tables

# Most of a run is waiting: for a retry, for the moment of a kill.
WORKERS = 4


def main() -> None:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="first seed")
    parser.add_argument("--runs", type=int, default=20, help="runs of each pipeline")
    parser.add_argument("--pipeline", choices=PIPELINES, action="append", help="only this one")
    parser.add_argument("--meltano", type=float, default=campaign.MELTANO_SHARE, help="share of runs by Meltano")
    parser.add_argument("--workers", type=int, default=WORKERS, help="runs at a time")
    parser.add_argument("--report", type=Path, help="file to which each run adds a line of JSON")
    parser.add_argument("--keep", action="store_true", help="leave the folders of the runs")
    arguments = parser.parse_args()
    seeds = range(arguments.seed, arguments.seed + arguments.runs)
    workers = min(arguments.workers, len(seeds))
    shares = [range(seeds.start + worker, seeds.stop, workers) for worker in range(workers)]
    with preloaded(), ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        jobs = [
            pool.submit(campaign.work, pipeline, share, arguments.keep, arguments.meltano, arguments.report)
            for pipeline in arguments.pipeline or PIPELINES
            for share in shares
        ]
        verdicts = [verdict for job in jobs for verdict in job.result()]
    print(tables(verdicts))
    sys.exit(any(not verdict.good for verdict in verdicts))


if __name__ == "__main__":
    main()
