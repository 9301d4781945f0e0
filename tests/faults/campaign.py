"""One seeded run: disturb a pipeline, resume it until it is done, compare."""

from __future__ import annotations

import json
import random
import shutil
import signal
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from faults.clock import JUMPS, WEIGHTS, Clock, can_jump
from faults.connectors import preload
from faults.disk import Disk
from faults.logs import ambiguous, forbidden, is_disk_full, key_in
from faults.mishaps import Mishap
from faults.pipelines import PIPELINES, Pipeline
from faults.plans import name_of, random_faults
from faults.verdicts import Verdict
from faults.ways import Attempt, Way
from faults.ways.pipe import Pipe
from faults.ways.through_meltano import Meltano
from support.sandbox import Sandbox

# What arrives counts as uploaded six hours ago, so that it can be exported at once.
UPLOADED_BEFORE = "--upload-time-offset=-21600"

DISTURBED_ATTEMPTS = 3
ATTEMPTS = 12

MELTANO_SHARE = 0.04
DISK_SHARE = 0.12
STATE_SHARE = 0.08
CLOCK_SHARE = 0.15
# In a run whose clock jumps, it does so before or in the first attempt, and each later one. What a jump made a target
# forget shows when something was delivered before it, and all is read again after it.
FIRST_JUMP_SHARE, JUMP_SHARE = 0.2, 0.7
JUMPING_KILL_SHARE = 0.3
FORGOTTEN_SHARE = 0.7
MISHAP_SHARE = 0.08
BLANK_SHARE = 0.1
KILL_SHARE = 0.6
BLOCKED_SHARE = 0.1
# A tap ends within a second; a machine with many runs at a time needs longer.
BLOCKED_SECONDS = 15.0

# Ctrl-C on `meltano run` sends SIGINT to all and then SIGTERM to each.
SIGNALS = [
    (signal.SIGKILL,),
    (signal.SIGKILL,),
    (signal.SIGTERM,),
    (signal.SIGINT, signal.SIGTERM),
    (signal.SIGTERM, signal.SIGTERM),
]

# Bytes that a full disk may still have: nothing at all, or room for the first few writes.
ROOM_BYTES = (0, 0, 8_192, 40_960)


def work(pipeline: str, seeds: range, keep: bool, meltano_share: float, report: Path | None) -> list[Verdict]:
    """Run some seeds of a pipeline in this process, against a sandbox of its own."""
    preload()
    sandbox = Sandbox(UPLOADED_BEFORE)
    try:
        verdicts = []
        for seed in seeds:
            verdict = run(seed, pipeline, sandbox, keep=keep, meltano_share=meltano_share)
            verdicts.append(verdict)
            if report:
                with report.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(verdict)) + "\n")
            if not verdict.good:
                share = "" if meltano_share == MELTANO_SHARE else f" MELTANO={meltano_share:g}"
                print(
                    f"BAD {verdict}\n    repeat: make faults PIPELINE={pipeline} SEED={seed} RUNS=1{share}", flush=True
                )
        return verdicts
    finally:
        sandbox.stop()


def run(
    seed: int, pipeline_name: str, sandbox: Sandbox, *, keep: bool = False, meltano_share: float = MELTANO_SHARE
) -> Verdict:
    """Run a pipeline under the disturbances of a seed.

    Args:
        seed: Decides everything that is random.
        pipeline_name: One of `PIPELINES`.
        sandbox: A running sandbox whose uploads are dated back; it is emptied first.
        keep: Leave the folder of the run for a look.
        meltano_share: Share of the runs that Meltano does.
    """
    started = time.monotonic()
    chance = random.Random(f"{pipeline_name} {seed}")
    through_meltano = random.Random(f"{pipeline_name} {seed} way").random() < meltano_share
    through_meltano &= not PIPELINES[pipeline_name].writes_batches
    folder = Path(tempfile.mkdtemp(prefix=f"faults-{pipeline_name}-{seed}-"))
    verdict = Verdict(seed, pipeline_name, "meltano" if through_meltano else "pipe")
    disk = mounted() if chance.random() < DISK_SHARE else None
    pipeline = None
    try:
        sandbox.reset()
        clock = Clock(folder / "clock") if can_jump() and chance.random() < CLOCK_SHARE else None
        pipeline = PIPELINES[pipeline_name](sandbox, folder, chance, disk, clock)
        if chance.random() < BLANK_SHARE:
            verdict.disturbances.append(pipeline.leave_blank())
        for plan in random_faults(chance, pipeline.paths):
            sandbox.plan(**plan)
        verdict.disturbances += pipeline.disturbances
        way = Meltano(pipeline, folder) if through_meltano else Pipe(pipeline, folder)
        Run(pipeline, way, sandbox, chance, verdict).repeat_until_done()
        if not verdict.problem:
            judge(pipeline, verdict)
    finally:
        if pipeline and pipeline.intake:
            pipeline.intake.stop()
        if disk and not keep:
            disk.close()
        if keep:
            print(f"kept: {folder} {disk.folder if disk else ''}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    verdict.seconds = round(time.monotonic() - started, 1)
    return verdict


def mounted() -> Disk | None:
    """Return a small disk, where this user may mount one."""
    try:
        return Disk()
    except PermissionError:
        return None


def judge(pipeline: Pipeline, verdict: Verdict) -> None:
    """Compare both sides."""
    found = pipeline.compare()
    verdict.records, verdict.lost, verdict.doubled, verdict.rejected = (
        found.records,
        found.lost,
        found.doubled,
        found.rejected,
    )
    if verdict.way == "meltano" and any(name.endswith(" Meltano") for name in verdict.disturbances):
        # What a target says when its Meltano is dead, nobody reads.
        verdict.ambiguous = max(verdict.ambiguous, unanswered(pipeline.sandbox))
    if pipeline.skips:
        # Skipped on purpose, and said so: that is no loss, and then nothing may be there twice.
        verdict.lost = max(0, found.lost - verdict.ambiguous)
        verdict.problem = "doubled although ambiguous events are skipped" if found.doubled else ""


def unanswered(sandbox: Sandbox) -> int:
    """Return how many events Split took in requests to which it gave no answer."""
    return sum(
        request["items"] or 0
        for request in sandbox.requests()
        if request["path"].startswith("/api/events") and request["status"] is None
    )


class Run:
    """One run of a pipeline, attempt by attempt."""

    def __init__(self, pipeline: Pipeline, way: Way, sandbox: Sandbox, chance: random.Random, verdict: Verdict) -> None:
        self._pipeline = pipeline
        self._way = way
        self._sandbox = sandbox
        self._chance = chance
        self._verdict = verdict

    def repeat_until_done(self) -> None:
        """Run the pipeline again and again from its last state until it ends well."""
        for number in range(ATTEMPTS):
            disturbed = number < DISTURBED_ATTEMPTS
            if number == DISTURBED_ATTEMPTS:
                self._end_disturbances()
                self._end_jumps()
            if self._verdict.problem:
                return
            ended_well = self._attempt(number, disturbed=disturbed)
            if self._verdict.problem:
                return
            if ended_well and not self._pipeline.intake and not (self._pipeline.clock and disturbed):
                self._end_disturbances()
                return
        self._verdict.problem = f"not done after {ATTEMPTS} attempts"

    def _attempt(self, number: int, *, disturbed: bool) -> bool:
        """Run it once; return whether it ended well."""
        verdict, chance = self._verdict, self._chance
        disk = self._pipeline.disk if self._pipeline.full != "receiver" else None
        if disk and disturbed:
            disk.fill(chance.choice(ROOM_BYTES))
        clock = self._pipeline.clock
        if disturbed and chance.random() < STATE_SHARE:
            verdict.disturbances.append(self._way.break_state(chance))
        if disturbed and clock and chance.random() < (JUMP_SHARE if number else FIRST_JUMP_SHARE):
            self._jump(clock)
        mishap = self._mishap() if disturbed and chance.random() < MISHAP_SHARE else None
        attempt = self._way.start(number)
        killed = disturbed and chance.random() < (JUMPING_KILL_SHARE if clock else KILL_SHARE) and self._kill(attempt)
        ended_well = attempt.wait()
        verdict.attempts += 1
        if clock:
            clock.wait()
        if disk:
            if disturbed and is_disk_full(attempt.said):
                verdict.disturbances.append(f"disk full: {self._pipeline.full}")
            disk.free()
        verdict.ambiguous += ambiguous(attempt.said)
        verdict.problem = verdict.problem or (forbidden(attempt.said_by_us) or key_in(attempt.said))
        # Later attempts may have nothing left to deliver, and the first one nothing yet.
        if mishap and mishap.must_fail and ended_well and not killed and not number and not self._pipeline.intake:
            verdict.problem = f"ended well with {mishap.name}"
        return ended_well and not killed

    def _jump(self, clock: Clock) -> None:
        """Let the machine's clock jump before the next attempt, or while it runs."""
        name = self._chance.choices(list(JUMPS), WEIGHTS)[0]
        if self._chance.random() < 0.5:
            clock.set(JUMPS[name])
            when = "between runs"
        else:
            clock.set_later(JUMPS[name], self._chance.random() * self._way.kill_within_seconds)
            when = "during a run"
        self._verdict.disturbances.append(f"machine's clock {name}, set {when}")

    def _end_jumps(self) -> None:
        """Set the machine's clock right, and perhaps let all be read again: nothing may have been forgotten."""
        if self._pipeline.clock:
            self._pipeline.clock.set(0)
            if self._chance.random() < FORGOTTEN_SHARE:
                self._way.forget_state()
                self._verdict.disturbances.append("state: lost after jumps of the clock")

    def _mishap(self) -> Mishap | None:
        """Let something be wrong around the next attempt; return what, if the way can have it."""
        mishap = self._chance.choice(self._pipeline.mishaps)
        if not self._way.meet(mishap):
            return None
        self._verdict.disturbances.append(mishap.name)
        return mishap

    def _kill(self, attempt: Attempt) -> bool:
        """Kill one of the processes at some moment; return whether it had not ended by then."""
        if isinstance(self._way, Pipe) and self._chance.random() < BLOCKED_SHARE:
            return self._end_blocked_tap(attempt)
        victim = self._chance.choice(attempt.victims)
        numbers = self._chance.choice(SIGNALS)
        process = attempt.find(victim)
        time.sleep(self._chance.random() * self._way.kill_within_seconds)  # the moment of a kill is what is random here
        if process is None or not process.kill(numbers[0]):
            return False
        for number in numbers[1:]:
            process.kill(number)
        self._verdict.disturbances.append(f"{' and '.join(number.name for number in numbers)} {victim}")
        return True

    def _end_blocked_tap(self, attempt: Attempt) -> bool:
        """End a tap whose output nobody reads; return whether it had not ended by then."""
        tap, target = attempt.find("tap"), attempt.find("target")
        assert tap is not None
        assert target is not None
        time.sleep(self._chance.random() * self._way.kill_within_seconds)  # the moment is what is random here
        if not target.kill(signal.SIGSTOP):
            return False
        was_running = tap.kill(signal.SIGTERM)
        if was_running:
            self._verdict.disturbances.append("SIGTERM tap with blocked output")
            if not tap.ends_within(BLOCKED_SECONDS):
                self._verdict.problem = f"a tap with blocked output went on for {BLOCKED_SECONDS} seconds after SIGTERM"
                tap.kill()
        target.kill(signal.SIGCONT)
        return was_running

    def _end_disturbances(self) -> None:
        """Note which faults fired, and let the rest of the run be undisturbed."""
        self._verdict.disturbances += [name_of(plan) for plan in self._sandbox.faults() if plan["hits"]]
        self._sandbox.call("DELETE", "/faults")
        if self._pipeline.intake:
            disturbances, self._verdict.problem = self._pipeline.intake.wait()
            self._verdict.problem = self._verdict.problem or forbidden(self._pipeline.intake.said)
            self._verdict.disturbances += disturbances
            self._pipeline.intake = None
