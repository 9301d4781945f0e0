"""Functions that read ids and times from records. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from target_amplitude.api import limits
from target_amplitude.api.limits import Count, Unusable
from target_amplitude.common.record_paths import Getter, Record
from target_amplitude.common.timestamps import epoch_milliseconds
from target_amplitude.payloads.impressions import LeftOut

Ids = Callable[[Record], dict[str, Any]]


def ids_reader(getters: Mapping[str, Getter], shortest: int, count: Count) -> Ids:
    """Return a function that gives a record's usable ids as a new object.

    Args:
        getters: `user_id` and/or `device_id` → how it is read.
        shortest: Fewest characters of an id.
        count: Called with the reason when one of two ids is left out.

    The function raises:
        LeftOut: There is none at all.
        Unusable: There is none that Amplitude takes.
    """
    items = list(getters.items())

    def read(record: Record) -> dict[str, Any]:
        ids: dict[str, Any] = {}
        problem = ""
        for name, get in items:
            try:
                text = limits.id_text(get(record))
            except Unusable as unusable:
                problem = str(unusable)
                continue
            if text is None:
                continue
            if refused := limits.id_problem(text, shortest):
                problem = refused
            else:
                ids[name] = text
        if not ids:
            raise Unusable(problem) if problem else LeftOut("no user or device id")
        if problem:
            count(f"{problem} beside a usable one")
        return ids

    return read


def time_reader(get: Getter) -> Callable[[Record], int]:
    """Return a function that gives a record's time in epoch milliseconds.

    It raises:
        Unusable: There is none, it cannot be read, or Amplitude cannot hold it.
    """

    def read(record: Record) -> int:
        value = get(record)
        if value is None:
            raise Unusable("no time")
        try:
            milliseconds = epoch_milliseconds(value)
        except (ValueError, OverflowError):
            raise Unusable("a time that cannot be read") from None
        if not 0 <= milliseconds <= limits.LATEST_TIME:
            raise Unusable("a time before 1970 or after 9999")
        return milliseconds

    return read
