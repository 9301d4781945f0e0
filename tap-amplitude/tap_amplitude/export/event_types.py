"""Setting `event_types`: leaves rows out before they are decoded."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fnmatch import translate

import msgspec

from tap_amplitude.export.broken_json import BROKEN_LINE, repaired

# Names that are remembered; others are looked at each time.
MAX_REMEMBERED = 10_000


class _TypeOfRow(msgspec.Struct, gc=False):
    """The one member that matters; msgspec skips the others without making anything of them."""

    event_type: str | None = None


class EventTypeFilter:
    """Passes rows whose event type matches a glob of `include` (all when there is none) and none of `exclude`.

    Args:
        setting: `{"include": [globs], "exclude": [globs]}`, each optional. Globs are case-sensitive; a row without an
            event type has the empty text for one.
    """

    def __init__(self, setting: Mapping[str, Sequence[str]]) -> None:
        include, exclude = (
            [glob for glob in setting.get(member) or () if glob.strip()] for member in ("include", "exclude")
        )
        self._include = pattern_of(include or ["*"])
        self._exclude = pattern_of(exclude)
        self._known: dict[str | None, bool] = {}
        self._decoder = msgspec.json.Decoder(_TypeOfRow)

    def passes(self, event_type: str | None) -> bool:
        """Whether rows of this type are read."""
        known = self._known.get(event_type)
        if known is None:
            name = event_type or ""
            known = self._include.match(name) is not None and self._exclude.match(name) is None
            if len(self._known) < MAX_REMEMBERED:
                self._known[event_type] = known
        return known

    def filter(self, block: bytes) -> tuple[bytes, int]:
        """Return a block of lines without the rows that do not pass, and how many these were.

        A line that cannot be decoded stays, so that it is quarantined as any other.
        """
        lines = [line for line in block.split(b"\n") if line]
        kept = [line for line in lines if self._line_passes(line)]
        return (block if len(kept) == len(lines) else b"\n".join(kept)), len(lines) - len(kept)

    def _line_passes(self, line: bytes) -> bool:
        for form in (bytes, repaired):
            try:
                return self.passes(self._decoder.decode(form(line)).event_type)
            except BROKEN_LINE:
                continue
        return True


def pattern_of(globs: Sequence[str]) -> re.Pattern[str]:
    """Return a pattern that matches texts of any of the globs."""
    return re.compile("|".join(translate(glob) for glob in globs) or r"(?!)")
