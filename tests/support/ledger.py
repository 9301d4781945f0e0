"""Ledgers that tests open."""

from __future__ import annotations

from target_split.ledger.event_id import EventIds
from target_split.ledger.ledger import SECONDS_PER_DAY
from target_split.ledger.sqlite_ledger import SQLiteLedger

IDS = [EventIds(["host", "env"], "events").of(str(n).encode()) for n in range(3_000)]
DAY = 20_000 * SECONDS_PER_DAY

OPENED: list[SQLiteLedger] = []


def opened(path: str, *, skip: bool = False, days: int = 14, now: float = DAY) -> SQLiteLedger:
    ledger = SQLiteLedger(path, days, skip_ambiguous=skip, now=lambda: now)
    OPENED.append(ledger)
    return ledger


def accept(ledger: SQLiteLedger, ids: list[bytes]) -> None:
    ledger.sift(ids)
    ledger.accepted(ledger.posting("events", ids), ids)
