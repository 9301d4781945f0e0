"""The ways a pipeline is run: as `tap | target`, and by Meltano. Both resume from where they got to."""

from __future__ import annotations

import random
from typing import Protocol

from faults.connectors import Process
from faults.mishaps import Mishap


class Attempt(Protocol):
    """A pipeline that runs."""

    victims: tuple[str, ...]

    def find(self, victim: str) -> Process | None:
        """Return one of the processes, once it is there."""

    def wait(self) -> bool:
        """Wait until all has ended; return whether it ended well."""

    @property
    def said(self) -> str:
        """What was logged."""

    @property
    def said_by_us(self) -> str:
        """What the connectors logged."""


class Way(Protocol):
    """How a pipeline is run."""

    kill_within_seconds: float

    def start(self, number: int) -> Attempt:
        """Start it from the last state."""

    def break_state(self, chance: random.Random) -> str:
        """Let the state of the next attempt not be kept; return how."""

    def forget_state(self) -> None:
        """Let the next attempt start from nothing."""

    def meet(self, mishap: Mishap) -> bool:
        """Let something be wrong around the next attempt; return whether this way can."""
