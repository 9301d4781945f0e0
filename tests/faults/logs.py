"""What logs say, and what they must not say."""

from __future__ import annotations

import re

# Forbidden in anything a connector says; the settings of all runs carry it in their keys.
SECRET = "planted-secret"
TRACEBACK = "Traceback (most recent call last)"
TRACEBACK_CHARACTERS = 3_000
DISK_FULL = re.compile(r"No space left|disk is full|The disk is full|disk I/O error")
CLOSING = re.compile(r"target-split.*(Done|Stopped): ")
COUNTED = re.compile(r'"metric":"records_ambiguous","value":(\d+)')
SAID = re.compile(r"(?:Ambiguous .*(?:sent again|skipped): |An earlier run ended while )([\d,]+) event")


def ambiguous(said: str) -> int:
    """Return how many records a run could not know about: by its closing summary, or by what it said before a kill."""
    found = (COUNTED if CLOSING.search(said) else SAID).findall(said)
    return sum(int(count.replace(",", "")) for count in found)


def is_disk_full(said: str) -> bool:
    """Whether a run found a disk full."""
    return DISK_FULL.search(said) is not None


def forbidden(said: str) -> str:
    """Return what is in a log and must not be."""
    if TRACEBACK in said:
        return "a traceback: " + said[said.index(TRACEBACK) :][:TRACEBACK_CHARACTERS]
    return key_in(said)


def key_in(said: str) -> str:
    """Return that a key is in a log; an empty text when there is none."""
    return "a key in a log" if SECRET in said else ""
