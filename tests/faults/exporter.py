"""Raw events as Amplitude's S3 and GCS exports write them: objects come late, half first, or a second time."""

from __future__ import annotations

import gzip
import json
import random
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faults.intake import ForkedIntake

# How long after the first one the last object is there.
EXPORT_SECONDS = 2.5
HALF_SHARE = OVERWRITTEN_SHARE = FOREIGN_SHARE = 0.3
PARTITION_STEP = 37

Row = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """Something that happens to an object.

    Attributes:
        name: Of the object.
        content: All that it then holds.
        is_half_first: Whether half of it can be seen for a while.
        disturbance: What it is called in the report; empty for an object that comes in good order.
    """

    name: str
    content: bytes
    is_half_first: bool = False
    disturbance: str = ""


class Exporter(ForkedIntake):
    """Writes objects into a folder while the pipeline reads it.

    Args:
        rows: Events, of which `server_upload_time` says in which hour they stand.
        target: The folder.
        notes: A folder for what happened.
        chance: Decides what is random.
    """

    def __init__(self, rows: list[Row], target: Path, notes: Path, chance: random.Random) -> None:
        target.mkdir()
        has_foreign = chance.random() < FOREIGN_SHARE
        if has_foreign:
            write_foreign(target)
        steps = in_any_order(list(objects(rows, chance)), chance)
        seen = ["foreign files"] if has_foreign else []
        super().__init__(lambda: (seen + write(steps, target, random.Random(chance.random())), ""), notes)


def objects(rows: list[Row], chance: random.Random) -> Iterator[list[Step]]:
    """Yield what happens to each object, in order."""
    hours: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        day, _, time_of_day = row["server_upload_time"].partition(" ")
        hours[f"100042_{day}_{int(time_of_day[:2])}"].append(row)
    for hour, waiting in sorted(hours.items()):
        part = 0
        while waiting:
            here = waiting[: chance.randrange(1, 200)]
            del waiting[: len(here)]
            name = f"{hour}#{part * PARTITION_STEP}.json.gz"
            part += 1
            if chance.random() < OVERWRITTEN_SHARE:
                before = chance.sample(here, chance.randrange(len(here)) + 1)
                yield [Step(name, zipped(before)), Step(name, zipped(here), disturbance="object overwritten")]
            elif chance.random() < HALF_SHARE:
                yield [Step(name, zipped(here), is_half_first=True, disturbance="object half-uploaded")]
            else:
                yield [Step(name, zipped(here))]


def in_any_order(objects_: list[list[Step]], chance: random.Random) -> list[Step]:
    """Return the steps of all objects mixed, those of each object in order."""
    turns = [position for position, steps in enumerate(objects_) for _ in steps]
    chance.shuffle(turns)
    left = [iter(steps) for steps in objects_]
    return [next(left[position]) for position in turns]


def write_foreign(target: Path) -> None:
    """Write files that Amplitude does not write."""
    (target / "notes.json").write_text('{"to": "whom it may concern"}', encoding="utf-8")
    (target / "__MACOSX").mkdir()
    (target / "__MACOSX" / "100042_2026-03-14_9#0.json.gz").write_bytes(b"\0\5\x16\7")


def write(steps: list[Step], target: Path, chance: random.Random) -> list[str]:
    """Do the steps, one after the other, with pauses; return what disturbed the pipeline."""
    disturbances = []
    for step in steps:
        path = target / step.name
        disturbances += [step.disturbance] if step.disturbance else ["object late"]
        if step.is_half_first:
            with path.open("wb", buffering=0) as file:
                file.write(step.content[: len(step.content) // 2])
                pause(steps, chance)
                file.write(step.content[len(step.content) // 2 :])
        else:
            partial = target / f".{step.name}.tmp"
            partial.write_bytes(step.content)
            partial.replace(path)
        pause(steps, chance)
    return disturbances


def pause(steps: list[Step], chance: random.Random) -> None:
    """Let time pass between two events of the outside world."""
    time.sleep(chance.random() * 2 * EXPORT_SECONDS / len(steps))


def zipped(rows: list[Row]) -> bytes:
    """Return rows as an object holds them."""
    return gzip.compress(b"".join(json.dumps(row).encode() + b"\n" for row in rows), compresslevel=1)
