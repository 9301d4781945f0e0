"""Blocks of usual rows, their times all together: half the work of row by row, for the way where nothing else waits.

Whoever reads records takes longer over each of them than this would save; whoever is handed files does not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import chain, repeat
from operator import attrgetter

from tap_amplitude.records import BROKEN_LINE, DECODER, TIME_FIELDS, Row, Rows, read_block
from tap_amplitude.times import rfc3339_of_usual

times_of = attrgetter(*TIME_FIELDS)


def read_bulk(block: bytes, export_hour: str) -> Rows:
    """Return what `read_block` returns, sooner when all rows are usual."""
    try:
        events: list[Row] = DECODER.decode_lines(block)
        times = usual_times(events)
    except BROKEN_LINE:
        return read_block(block, export_hour)
    for position, name in enumerate(TIME_FIELDS):
        # A loop without Python in it.
        deque(map(setattr, events, repeat(name), times[position :: len(TIME_FIELDS)]), maxlen=0)
    for event in events:
        event.export_hour = export_hour
    return Rows(events)


def usual_times(events: Sequence[Row]) -> list[str | None]:
    """Return all times of these events as RFC 3339, one event after the other.

    Raises:
        ValueError: A time is written in another way than Amplitude's usual one, or is none.
    """
    texts: list[str | None] = [*chain.from_iterable(map(times_of, events))]
    known = [text for text in texts if text is not None]
    if len(known) == len(texts):
        return list[str | None](rfc3339_of_usual(known))
    times = iter(rfc3339_of_usual(known))
    return [None if text is None else next(times) for text in texts]
