"""What Airflow must know of the Meltano project: its schedules and their pipelines.

The DAG processor parses DAG files every few seconds, and starting Meltano takes seconds. So meltano.yml is read
instead; `meltano schedule list` reports the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from split_amplitude.ranges import RANGED_STREAM, RANGED_TAP

# Meltano's own variables. Source: https://docs.meltano.com/reference/settings
ROOT_VARIABLE = "MELTANO_PROJECT_ROOT"
ENVIRONMENT_VARIABLE = "MELTANO_ENVIRONMENT"
# Schedules that Meltano never starts by itself. Source: https://docs.meltano.com/reference/command-line-interface#schedule
NEVER = ("@none", "@manual")
SPLIT_LOADER = "target-split"


@dataclass(frozen=True)
class Pipeline:
    """A tap and a target."""

    tap: str
    target: str

    def __str__(self) -> str:
        return f"{self.tap}-to-{self.target}"

    @property
    def hold(self) -> str:
        """The Airflow Variable that holds the schedules of this pipeline during a backfill."""
        return f"backfill-of-{self}"


@dataclass(frozen=True)
class Schedule:
    """A schedule: `interval` is a cron expression or a preset, None if it only runs by hand."""

    name: str
    interval: str | None
    pipelines: tuple[Pipeline, ...]


class Project:
    """What meltano.yml in a folder says."""

    def __init__(self, root: Path) -> None:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, if the C library is available
        self.root = root
        self._content: dict[str, Any] = yaml.load((root / "meltano.yml").read_bytes(), loader)  # noqa: S506  # a safe one

    @classmethod
    def here(cls) -> Project:
        """Return the project that `MELTANO_PROJECT_ROOT` names, or else the one that holds this file."""
        return cls(Path(os.environ.get(ROOT_VARIABLE) or Path(__file__).resolve().parents[3]))

    @property
    def environment(self) -> str:
        """The Meltano environment of all runs, which is a part of each state's name."""
        return os.environ.get(ENVIRONMENT_VARIABLE) or str(self._content["default_environment"])

    @property
    def taps(self) -> list[str]:
        """The taps that can be read range by range."""
        return [tap for tap in self._plugins("extractors") if self.is_ranged(tap)]

    @property
    def targets(self) -> list[str]:
        """All targets."""
        return list(self._plugins("loaders"))

    @cached_property
    def schedules(self) -> list[Schedule]:
        """All schedules: those of jobs, and those of one tap and one target."""
        return [
            Schedule(
                entry["name"],
                None if entry.get("interval") in NEVER else entry.get("interval"),
                tuple(self._pipelines_of(entry)),
            )
            for entry in self._content.get("schedules") or []
        ]

    def schedules_of(self, pipeline: Pipeline) -> list[str]:
        """Return the names of the schedules that run a pipeline."""
        return [schedule.name for schedule in self.schedules if pipeline in schedule.pipelines]

    def is_ranged(self, tap: str) -> bool:
        """Whether a tap can be read range by range: it selects the stream that can."""
        patterns = self._inherited("extractors", tap, "select") or ["*.*"]
        return self._base("extractors", tap) == RANGED_TAP and any(
            fnmatchcase(RANGED_STREAM, pattern.partition(".")[0]) for pattern in patterns
        )

    def keeps_ledger(self, target: str) -> bool:
        """Whether a target keeps a ledger, which one run at a time may hold if it is a file."""
        return self._base("loaders", target) == SPLIT_LOADER

    def reports(self, schedule: Schedule) -> list[str]:
        """Return the targets of a schedule that have a command `report`: audits."""
        targets = dict.fromkeys(pipeline.target for pipeline in schedule.pipelines)
        return [target for target in targets if "report" in self._plugins("loaders")[target].get("commands", {})]

    def _pipelines_of(self, schedule: Mapping[str, Any]) -> Iterator[Pipeline]:
        if "job" not in schedule:
            yield Pipeline(schedule["extractor"], schedule["loader"])
            return
        job = next(job for job in self._content["jobs"] if job["name"] == schedule["job"])
        tap = ""
        for task in job["tasks"]:
            for word in " ".join(task if isinstance(task, list) else [task]).split():
                if word in self._plugins("extractors"):
                    tap = word
                elif word in self._plugins("loaders"):
                    yield Pipeline(tap, word)

    def _plugins(self, kind: str) -> dict[str, dict[str, Any]]:
        return {plugin["name"]: plugin for plugin in self._content["plugins"].get(kind) or []}

    def _base(self, kind: str, name: str) -> str:
        while parent := self._plugins(kind)[name].get("inherit_from"):
            name = parent
        return name

    def _inherited(self, kind: str, name: str, member: str) -> Any:
        plugin = self._plugins(kind)[name]
        while member not in plugin and "inherit_from" in plugin:
            plugin = self._plugins(kind)[plugin["inherit_from"]]
        return plugin.get(member)


def variable(plugin: str, setting: str) -> str:
    """Return the environment variable that Meltano reads a plugin's setting from."""
    return f"{plugin}_{setting}".replace("-", "_").upper()
