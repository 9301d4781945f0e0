"""One seeded run: disturb a pipeline, resume it until it is done, compare."""

from __future__ import annotations

import random
import re
import shutil
import signal
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faults.connectors import Pipe, preload, start_pipe
from faults.pipelines import PIPELINES, Pipeline
from faults.plans import random_faults
from support.sandbox import Sandbox

# What arrives counts as uploaded six hours ago, so that it can be exported at once.
UPLOADED_BEFORE = "--upload-time-offset=-21600"

DISTURBED_ATTEMPTS = 3
ATTEMPTS = 12
KILL_WITHIN_SECONDS = 0.8

# Forbidden in anything a connector says; the settings of all runs carry it in their keys.
SECRET = "planted-secret"
TRACEBACK = "Traceback (most recent call last)"


@dataclass
class Verdict:
    """How a run ended. What a service refused for itself is in the rejects, and so not lost."""

    seed: int
    pipeline: str
    disturbances: list[str] = field(default_factory=list)
    lost: int = 0
    doubled: int = 0
    ambiguous: int = 0
    rejected: int = 0
    problem: str = ""

    @property
    def good(self) -> bool:
        """Nothing lost, nothing doubled but what was said to be ambiguous, nothing said that must not be."""
        return not self.problem and self.lost == 0 and self.doubled <= self.ambiguous


def work(pipeline: str, seeds: range, keep: bool) -> list[Verdict]:
    """Run some seeds of a pipeline in this process, against a sandbox of its own."""
    preload()
    sandbox = Sandbox(UPLOADED_BEFORE)
    try:
        verdicts = []
        for seed in seeds:
            verdict = run(seed, pipeline, sandbox, keep=keep)
            verdicts.append(verdict)
            if not verdict.good:
                print(f"BAD {verdict}\n    repeat: make faults PIPELINE={pipeline} SEED={seed} RUNS=1", flush=True)
        return verdicts
    finally:
        sandbox.stop()


def run(seed: int, pipeline_name: str, sandbox: Sandbox, *, keep: bool = False) -> Verdict:
    """Run a pipeline under the disturbances of a seed.

    Args:
        seed: Decides everything that is random.
        pipeline_name: One of `PIPELINES`.
        sandbox: A running sandbox whose uploads are dated back; it is emptied first.
        keep: Leave the folder of the run for a look.
    """
    chance = random.Random(f"{pipeline_name} {seed}")
    folder = Path(tempfile.mkdtemp(prefix=f"faults-{pipeline_name}-{seed}-"))
    verdict = Verdict(seed, pipeline_name)
    try:
        sandbox.reset()
        pipeline = PIPELINES[pipeline_name](sandbox, folder, chance)
        for plan in random_faults(chance, pipeline.paths):
            sandbox.plan(**plan)
            verdict.disturbances.append(plan.get("kind") or f"status {plan['status']}")
        repeat_until_done(pipeline, sandbox, folder, chance, verdict)
        if not verdict.problem:
            missing, verdict.doubled = pipeline.compare()
            verdict.rejected = pipeline.rejected()
            verdict.lost = max(0, missing - verdict.rejected)
    finally:
        if keep:
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return verdict


def repeat_until_done(
    pipeline: Pipeline, sandbox: Sandbox, folder: Path, chance: random.Random, verdict: Verdict
) -> None:
    """Run the pipeline again and again from its last state until it ends well."""
    state: dict[str, Any] | None = None
    for number in range(ATTEMPTS):
        disturbed = number < DISTURBED_ATTEMPTS
        if not disturbed:
            sandbox.call("DELETE", "/faults")
        pipe = start_pipe(folder, number, pipeline.tap, pipeline.target, state)
        killed = disturb(pipe, chance, verdict) if disturbed else False
        codes = pipe.wait()
        state = pipe.state or state
        verdict.ambiguous += ambiguous(pipe.said)
        verdict.problem = forbidden(pipe.said)
        if verdict.problem:
            return
        if codes == (0, 0) and not killed:
            return
    verdict.problem = f"not done after {ATTEMPTS} attempts, the last ended with {codes}"


def disturb(pipe: Pipe, chance: random.Random, verdict: Verdict) -> bool:
    """Perhaps kill one of the two at some moment; return whether a signal was sent."""
    if chance.random() < 0.4:
        return False
    who = chance.choice(["tap", "target"])
    number = chance.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM])
    time.sleep(chance.random() * KILL_WITHIN_SECONDS)  # the moment of a kill is what is random here
    getattr(pipe, who).kill(number)
    verdict.disturbances.append(f"{number.name} {who}")
    return True


def ambiguous(said: str) -> int:
    """Return how many records a run said it could not know about."""
    return sum(int(count) for count in re.findall(r'"metric":"records_unknown","value":(\d+)', said))


def forbidden(said: str) -> str:
    """Return what is in a log and must not be."""
    if TRACEBACK in said:
        return "a traceback: " + said[said.index(TRACEBACK) :][-600:]
    return "a key in a log" if SECRET in said else ""
