"""Planned failures: which request is hit, and by what. No I/O."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

import msgspec

from split_amplitude_sandbox.presets import PRESETS

Count = Annotated[int, msgspec.Meta(ge=1)]


class Plan(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One planned failure; the README of the sandbox describes each member.

    `hits` counts how often it fired, `seen` how many matching requests there were.
    """

    kind: Literal["status", "delay", "cut", "lost", "raw", "echo", "trickle", "strip_encoding", "clock"] = "status"
    preset: str | None = None
    path: str = "*"
    method: str | None = None
    when: str | None = None
    compressed: bool | None = None
    times: Count | None = 1
    skip: int = 0
    every: Count | None = None
    probability: float | None = None
    seed: int = 0
    status: Annotated[int, msgspec.Meta(ge=200, le=599)] = 500
    body: Any = ""
    headers: dict[str, str] = {}
    delay_seconds: float = 0
    after_bytes: int | None = None
    content_length: bool = False
    chunk_bytes: Count = 1
    offset_seconds: float = 0
    hits: int = 0
    seen: int = 0
    _random: random.Random | None = None

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 - repeatable on purpose, nothing secret

    def matches(self, method: str, path: str, headers: Mapping[str, str], text: Callable[[], bytes]) -> bool:
        """Whether the plan is about this request; the arguments are those of `Faults.fault_for`."""
        return (
            fnmatchcase(path, self.path)
            and self.method in (None, method)
            and self.compressed in (None, "content-encoding" in headers)
            and (self.when is None or self.when.encode() in text())
        )

    def fires(self) -> bool:
        """Count one matching request and say whether it is hit."""
        self.seen += 1
        number = self.seen - self.skip
        if number <= 0 or (self.times is not None and self.hits >= self.times):
            return False
        if self.every is not None and number % self.every:
            return False
        if self.probability is not None and self._random and self._random.random() >= self.probability:
            return False
        self.hits += 1
        return True


class Faults:
    """All plans in order of arrival."""

    def __init__(self) -> None:
        self._plans: list[Plan] = []

    def add(self, body: bytes) -> int:
        """Add plans from a JSON list; return how many.

        Raises:
            ValueError: a preset is unknown.
            msgspec.ValidationError: a member is unknown or of the wrong type.
        """
        given = msgspec.json.decode(body, type=list[dict[str, Any]])
        plans = msgspec.convert([_preset(one) | one for one in given], list[Plan])
        self._plans += plans
        return len(plans)

    def clear(self) -> None:
        """Forget all plans."""
        self._plans = []

    def listing(self) -> list[dict[str, Any]]:
        """The plans as they were given, with `hits`."""
        return [
            {name: value for name, value in msgspec.structs.asdict(plan).items() if name[0] != "_"}
            for plan in self._plans
        ]

    def fault_for(self, method: str, path: str, headers: Mapping[str, str], text: Callable[[], bytes]) -> Plan | None:
        """The first plan that fires; those after it do not see the request. `text`: its query and decompressed body."""
        for plan in self._plans:
            if plan.matches(method, path, headers, text) and plan.fires():
                return plan
        return None


def _preset(plan: dict[str, Any]) -> dict[str, Any]:
    """The members of the preset that a plan names."""
    name = plan.get("preset")
    if name is None:
        return {}
    if name not in PRESETS:
        raise ValueError(f"there is no preset {name!r}: GET /_sandbox/faults/presets lists them")
    return PRESETS[name]
