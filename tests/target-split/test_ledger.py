"""The ledger: what was accepted is known for ever after, whatever happened in between."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.ledger import DAY, IDS, OPENED, accept, opened
from target_split.common.errors import ConnectorError
from target_split.ledger.event_id import HOUR_BYTES, ID_BYTES, EventIds
from target_split.ledger.ledger import SECONDS_PER_DAY, Sifted
from target_split.ledger.ledger_file import IDS_PER_STATEMENT
from target_split.ledger.ledger_reader import SQLiteLedgerReader


def hashes(ids: list[bytes]) -> list[bytes]:
    return [identity[HOUR_BYTES:] for identity in ids]


def test_what_was_accepted_is_known_in_this_run_and_the_next(path: str):
    ledger = opened(path)
    accept(ledger, IDS[:2_000])
    assert ledger.sift(IDS).fresh == list(range(2_000, 3_000))
    ledger.close()
    assert opened(path).sift(IDS).fresh == list(range(2_000, 3_000))


def test_an_event_that_comes_twice_in_one_run_is_fresh_once(path: str):
    ledger = opened(path)
    assert ledger.sift([IDS[0], IDS[1], IDS[0]]).fresh == [0, 1]
    assert list(ledger.sift([IDS[1], IDS[2]]).fresh) == [1]


def test_what_a_killed_run_had_accepted_is_known(path: str):
    killed = opened(path)
    accept(killed, IDS[:2_000])
    content = {name: Path(name).read_bytes() for name in (path, f"{path}-wal")}
    killed.close()
    for name, before in content.items():
        Path(name).write_bytes(before)
    assert opened(path).sift(IDS).fresh == list(range(2_000, 3_000))


def test_more_ids_than_a_request_may_hold(path: str):
    many = [EventIds(["host", "env"], "events").of(str(n).encode()) for n in range(2 * IDS_PER_STATEMENT + 1)]
    ledger = opened(path)
    accept(ledger, many)
    ledger.close()
    assert opened(path).sift([*many, b"x" * ID_BYTES]).fresh == [len(many)]


def test_its_size_is_told_when_it_is_closed(path: str):
    ledger = opened(path)
    accept(ledger, IDS)
    size = ledger.close()
    assert size.bytes == Path(path).stat().st_size > 3_000 * ID_BYTES
    assert size.log_bytes > 3_000 * ID_BYTES
    assert not Path(f"{path}-wal").exists()


def test_what_was_refused_is_fresh_again_in_the_next_run(path: str):
    ledger = opened(path)
    ledger.sift(IDS[:5])
    ledger.refused(ledger.posting("events", IDS[:5]), IDS[:5])
    ledger.close()
    after = opened(path)
    assert after.leftovers == []
    assert after.sift(IDS[:5]) == Sifted(range(5), resent=0, skipped=0)


def test_what_was_on_its_way_is_posted_again_and_counted(path: str):
    ledger = opened(path)
    ledger.sift(IDS[:5])
    ledger.posting("events", IDS[:5])
    ledger.close()

    after = opened(path)
    assert [(one.stream, len(one.ids)) for one in after.leftovers] == [("events", 5)]
    assert after.sift(IDS[3:7]) == Sifted([0, 1, 2, 3], resent=2, skipped=0)
    after.accepted(after.posting("events", IDS[3:7]), IDS[3:7])
    assert [len(one.ids) for one in after.leftovers] == [3]
    accept(after, IDS[:3])
    after.close()
    assert opened(path).leftovers == []


def test_what_was_on_its_way_is_skipped_when_so_set(path: str):
    ledger = opened(path)
    ledger.posting("events", IDS[:5])
    ledger.close()
    after = opened(path, skip=True)
    assert after.sift(IDS[3:7]) == Sifted([2, 3], resent=0, skipped=2)
    after.close()
    # Skipped once is skipped for good.
    assert opened(path).sift(IDS[3:5]).fresh == []


def by_hour(start: int, count: int, day: int) -> list[bytes]:
    """Ids of events of a day."""
    ids = EventIds(["host", "env"], "events")
    return [ids.of(str(n).encode(), day * SECONDS_PER_DAY * 1000) for n in range(start, start + count)]


def test_events_are_forgotten_after_some_days(path: str):
    today = DAY // SECONDS_PER_DAY
    first, pending = by_hour(0, 5, today), by_hour(5, 2, today)
    ledger = opened(path, days=14)
    accept(ledger, first)
    ledger.posting("events", pending)
    ledger.close()
    for days in (14, 15, 16):
        later = opened(path, days=14, now=DAY + days * SECONDS_PER_DAY)
        accept(later, by_hour(100 * days, 5, today + days))
        assert (later.sift(first).fresh == []) == (days < 16), days
        later.close()


def test_a_clock_that_is_ahead_forgets_nothing(path: str):
    today = DAY // SECONDS_PER_DAY
    ids = by_hour(0, 5, today)
    ledger = opened(path)
    accept(ledger, ids)
    ledger.close()
    for now in (DAY + 30 * SECONDS_PER_DAY, DAY + 31 * SECONDS_PER_DAY, DAY + SECONDS_PER_DAY):
        ahead = opened(path, now=now)
        assert ahead.sift(ids).fresh == []
        accept(ahead, by_hour(int(now), 5, today))
        ahead.close()


def test_a_clock_that_is_behind_forgets_nothing(path: str):
    today = DAY // SECONDS_PER_DAY
    ids = by_hour(0, 5, today)
    behind = opened(path, now=0)
    accept(behind, ids)
    behind.posting("events", by_hour(5, 2, today))
    behind.close()
    for day in range(3):
        ledger = opened(path, now=DAY + day * SECONDS_PER_DAY)
        assert ledger.sift(ids).fresh == []
        assert len(ledger.leftovers) == 1
        accept(ledger, by_hour(100 * day + 100, 5, today + day))
        ledger.close()


def test_a_pause_of_weeks_forgets_no_ambiguous_event(path: str):
    today = DAY // SECONDS_PER_DAY
    ledger = opened(path)
    accept(ledger, by_hour(0, 5, today))
    ledger.posting("events", by_hour(5, 2, today))
    ledger.close()
    after = opened(path, skip=True, now=DAY + 60 * SECONDS_PER_DAY)
    assert after.sift(by_hour(0, 8, today)) == Sifted([7], resent=0, skipped=2)


def test_events_of_the_future_do_not_make_it_forget(path: str):
    today = DAY // SECONDS_PER_DAY
    ledger = opened(path)
    accept(ledger, by_hour(0, 5, today))
    accept(ledger, by_hour(5, 1, today + 3650))
    ledger.close()
    assert opened(path, now=DAY + SECONDS_PER_DAY).sift(by_hour(0, 6, today)).fresh == [5]


def version_1(path: str, accepted: list[bytes], posted: list[bytes], answered: Sequence[bytes] = ()) -> None:
    """Write a ledger as the first version did, and a kill left it: ids are hashes alone."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.executescript(
            """
            CREATE TABLE accepted (id BLOB PRIMARY KEY, day INTEGER NOT NULL) WITHOUT ROWID;
            CREATE TABLE posted
              (number INTEGER PRIMARY KEY, stream TEXT NOT NULL, time REAL NOT NULL, ids BLOB NOT NULL);
            CREATE TABLE answered (number INTEGER PRIMARY KEY);
            CREATE TABLE pruned (day INTEGER NOT NULL);
            INSERT INTO pruned VALUES (0);
            PRAGMA application_id = 0x53504C54;
            PRAGMA user_version = 1;
            """
        )
        database.executemany("INSERT INTO accepted VALUES (?, ?)", [(id_, DAY // SECONDS_PER_DAY) for id_ in accepted])
        database.execute("INSERT INTO posted VALUES (1, 'events', ?, ?)", (DAY, b"".join(posted)))
        if answered:
            database.execute("INSERT INTO posted VALUES (2, 'events', ?, ?)", (DAY, b"".join(answered)))
            database.execute("INSERT INTO answered VALUES (2)")


def id_of_version_1(number: int) -> bytes:
    prefix = hashlib.blake2b(b"host\0env\0events", digest_size=16).digest()
    return hashlib.blake2b(prefix + str(number).encode(), digest_size=16).digest()


def test_a_ledger_of_the_first_version_goes_on(path: str):
    today = DAY // SECONDS_PER_DAY
    ids_of_version_1 = [id_of_version_1(n) for n in range(7)]
    version_1(path, ids_of_version_1[:3], ids_of_version_1[5:], ids_of_version_1[3:5])
    ledger = opened(path, skip=True)
    assert [len(one.ids) for one in ledger.leftovers] == [2]
    ids = by_hour(0, 9, today)
    assert ledger.sift(ids) == Sifted([7, 8], resent=0, skipped=2)
    ledger.accepted(ledger.posting("events", ids[7:]), ids[7:])
    assert ledger.leftovers == []
    ledger.close()
    assert opened(path).sift(ids).fresh == []


def test_an_audit_reads_what_the_first_version_knew(path: str):
    today = DAY // SECONDS_PER_DAY
    ids_of_version_1 = [id_of_version_1(n) for n in range(7)]
    version_1(path, ids_of_version_1[:3], ids_of_version_1[5:], ids_of_version_1[3:5])
    with pytest.raises(ConnectorError, match="Run the pipeline once with this one, then audit"):
        SQLiteLedgerReader(path)
    opened(path).close()
    ids = by_hour(0, 9, today)
    with closing(SQLiteLedgerReader(path)) as reader:
        known = reader.known(ids)
    assert known.accepted == set(ids[:5])
    assert known.ambiguous == set(ids[5:7])


def test_what_the_first_version_knew_is_forgotten_in_time(path: str):
    today = DAY // SECONDS_PER_DAY
    version_1(path, [id_of_version_1(n) for n in range(5)], [])
    for day in (0, 20, 40):
        ledger = opened(path, now=DAY + day * SECONDS_PER_DAY)
        assert (ledger.sift(by_hour(0, 5, today)).fresh == []) == (day < 40)
        accept(ledger, by_hour(100 + day, 5, today + day))
        ledger.close()
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT 1 FROM sqlite_master WHERE name = 'accepted_v1'").fetchone() is None


def test_what_two_killed_runs_left_is_told_once(path: str):
    opened(path).posting("events", IDS[:5])
    OPENED.pop().close()
    again = opened(path)
    again.sift(IDS[:5])
    number = again.posting("events", IDS[:3])
    again.accepted(number, IDS[:3])
    again.posting("events", IDS[3:6])
    again.close()
    third = opened(path)
    assert [sorted(left.ids) for left in third.leftovers] == [sorted(hashes(IDS[3:5])), hashes(IDS[5:6])]
    accept(third, IDS[3:6])
    assert third.leftovers == []
    third.close()
    assert opened(path).leftovers == []


def test_destinations_and_streams_do_not_meet():
    ids = {
        EventIds(destination, stream).of(b"1")
        for destination in (["host", ""], ["host", "prod"], ["other", ""])
        for stream in ("a", "b")
    }
    assert len(ids) == 6


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_nothing_accepted_is_ever_fresh_and_nothing_else_is_lost(tmp_path_factory, data: st.DataObject):
    path = str(tmp_path_factory.mktemp("ledger") / "l.sqlite")
    ledger = opened(path)
    accepted: set[bytes] = set()
    for _ in range(data.draw(st.integers(1, 8))):
        ids = data.draw(st.lists(st.sampled_from(IDS[:20]), max_size=10))
        fresh = [ids[position] for position in ledger.sift(ids).fresh]
        assert not accepted & set(fresh)
        if fresh:
            entry = ledger.posting("events", fresh)
            outcome = data.draw(st.sampled_from(["accepted", "refused", "killed"]))
            if outcome == "accepted":
                ledger.accepted(entry, fresh)
                accepted |= set(fresh)
            elif outcome == "refused":
                ledger.refused(entry, fresh)
        if data.draw(st.booleans()):
            ledger.close()
            ledger = opened(path)
            left = {IDS[n] for n in ledger.sift(IDS[:20]).fresh}
            assert left == set(IDS[:20]) - accepted
            ledger.close()
            ledger = opened(path)
    ledger.close()
