"""The ledger in a real PostgreSQL server: what the file promises, and several runs at a time."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.amplitude import event, events_messages
from support.database import programs, running_postgres
from support.processes import Result, Workplace
from support.sandbox import Sandbox
from target_split.common.errors import ConnectorError
from target_split.ledger.event_id import EventIds
from target_split.ledger.ledger import SECONDS_PER_DAY, Sifted
from target_split.ledger.postgres_ledger import PostgresLedger

PROGRAMS = programs()
pytestmark = pytest.mark.skipif(PROGRAMS is None, reason="no PostgreSQL server is installed")

TERMINATE = b"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'target-split'"
TODAY = 20_000
DAY = TODAY * SECONDS_PER_DAY
Config = dict[str, Any]


def ids_of(start: int, count: int, day: int = TODAY, destination: str = "host") -> list[bytes]:
    ids = EventIds([destination, ""], "events")
    return [ids.of(str(n).encode(), day * SECONDS_PER_DAY * 1000) for n in range(start, start + count)]


IDS = ids_of(0, 3_000)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    assert PROGRAMS is not None
    with running_postgres(PROGRAMS) as url:
        yield url.replace("+psycopg", "")


NUMBERS = itertools.count()


@pytest.fixture
def url(server: str) -> Iterator[str]:
    """A database of its own."""
    name = f"ledger_{next(NUMBERS)}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}".encode())
    return server.replace("/postgres?", f"/{name}?")


@pytest.fixture
def opened(url: str) -> Iterator[Callable[..., PostgresLedger]]:
    ledgers: list[PostgresLedger] = []

    def open_one(*, skip: bool = False, days: int = 14, now: float = DAY) -> PostgresLedger:
        ledgers.append(PostgresLedger(url, days, skip_ambiguous=skip, now=lambda: now))
        return ledgers[-1]

    yield open_one
    for ledger in ledgers:
        ledger.close()


def accept(ledger: PostgresLedger, ids: list[bytes]) -> None:
    ledger.sift(ids)
    ledger.accepted(ledger.posting("events", ids), ids)


def kill(ledger: PostgresLedger) -> None:
    """End a run as a kill does: its session is gone, and nothing else happens."""
    info = ledger._database.info
    with psycopg.connect(host=info.host, dbname=info.dbname, user=info.user, autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(%s, 10000)", (info.backend_pid,))
    ledger._database.close()


def test_what_was_accepted_is_known_in_this_run_and_the_next(opened):
    ledger = opened()
    accept(ledger, IDS[:2_000])
    assert ledger.sift(IDS).fresh == list(range(2_000, 3_000))
    ledger.close()
    assert opened().sift(IDS).fresh == list(range(2_000, 3_000))


def test_an_event_that_comes_twice_in_one_run_is_fresh_once(opened):
    ledger = opened()
    assert ledger.sift([IDS[0], IDS[1], IDS[0]]).fresh == [0, 1]
    assert ledger.sift([IDS[1], IDS[2]]).fresh == [1]


def test_what_was_refused_is_fresh_again_in_the_next_run(opened):
    ledger = opened()
    ledger.sift(IDS[:5])
    ledger.refused(ledger.posting("events", IDS[:5]), IDS[:5])
    ledger.close()
    assert opened().sift(IDS[:5]) == Sifted([0, 1, 2, 3, 4], resent=0, skipped=0)


@pytest.mark.parametrize("skip", [False, True])
def test_what_was_on_its_way_is_ambiguous(opened, skip: bool):
    killed = opened()
    killed.sift(IDS[:5])
    killed.posting("events", IDS[:3])  # and two were only claimed
    kill(killed)
    after = opened(skip=skip)
    assert [(one.stream, len(one.ids)) for one in after.leftovers] == [("events", 3)]
    if skip:
        assert after.sift(IDS[:6]) == Sifted([3, 4, 5], resent=0, skipped=3)
    else:
        assert after.sift(IDS[:6]) == Sifted([0, 1, 2, 3, 4, 5], resent=3, skipped=0)
        after.accepted(after.posting("events", IDS[:6]), IDS[:6])
    after.close()
    assert opened().leftovers == []


def test_two_runs_at_a_time_share_the_events(opened):
    first, second = opened(), opened()
    shared: list[int] = []
    barrier = threading.Barrier(2)

    def take(ledger: PostgresLedger, order: list[bytes]) -> None:
        barrier.wait()
        for start in range(0, len(order), 500):
            some = order[start : start + 500]
            fresh = [some[position] for position in ledger.sift(some).fresh]
            ledger.accepted(ledger.posting("events", fresh), fresh)
            shared.append(len(fresh))

    threads = [
        threading.Thread(target=take, args=(first, IDS)),
        threading.Thread(target=take, args=(second, IDS[::-1])),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(shared) == len(IDS)


def test_what_another_run_at_work_has_claimed_is_left_to_it(opened):
    first, second = opened(), opened()
    first.sift(IDS[:5])
    assert second.sift(IDS[:8]).fresh == [5, 6, 7]
    kill(first)
    assert second.sift(IDS[:5]).fresh == [0, 1, 2, 3, 4]


def test_destinations_do_not_meet(opened):
    ledger = opened()
    accept(ledger, ids_of(0, 5))
    assert len(ledger.sift(ids_of(0, 5, destination="other")).fresh) == 5


def test_events_are_forgotten_by_the_ledgers_own_time(opened):
    accept(opened(), IDS[:5])
    for days, is_known in ((60, True), (61, False)):  # a pause of weeks forgets nothing, until newer events have come
        ledger = opened(now=DAY + days * SECONDS_PER_DAY)
        assert (ledger.sift(IDS[:5]).fresh == []) == is_known
        accept(ledger, ids_of(10 * days, 5, day=TODAY + days))
        ledger.close()


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_nothing_accepted_is_ever_fresh_and_nothing_else_is_lost(opened, data: st.DataObject):
    ids = ids_of(100_000 + 20 * next(NUMBERS), 20)  # of this example alone
    ledger = opened()
    accepted: set[bytes] = set()
    for _ in range(data.draw(st.integers(1, 6))):
        some = data.draw(st.lists(st.sampled_from(ids), max_size=10))
        fresh = [some[position] for position in ledger.sift(some).fresh]
        assert not accepted & set(fresh)
        entry = ledger.posting("events", fresh)
        outcome = data.draw(st.sampled_from(["accepted", "refused", "killed"]))
        if outcome == "accepted":
            ledger.accepted(entry, fresh)
            accepted |= set(fresh)
        elif outcome == "refused":
            ledger.refused(entry, fresh)
        else:
            kill(ledger)
            ledger = opened()
    ledger.close()
    ledger = opened()
    assert {ids[position] for position in ledger.sift(ids).fresh} == set(ids) - accepted
    ledger.close()


# Failures are one sentence


def test_a_server_that_is_not_there():
    with pytest.raises(ConnectorError, match=r"'ledger_path'.*cannot be reached") as error:
        PostgresLedger("postgresql://user:geheim@127.0.0.1:1/db", 14, skip_ambiguous=False)
    assert "geheim" not in str(error.value)


def test_a_database_that_may_only_be_read(url: str):
    with psycopg.connect(url, autocommit=True) as admin:
        name = admin.info.dbname
        admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode())
    with pytest.raises(ConnectorError, match=r"'ledger_path'.*read-only"):
        PostgresLedger(url, 14, skip_ambiguous=False)


def test_a_user_without_the_right_to_write(url: str):
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(b"DO $$ BEGIN CREATE ROLE reader LOGIN; EXCEPTION WHEN duplicate_object THEN END $$")
    with pytest.raises(ConnectorError, match=r"'ledger_path'.*may not create tables"):
        PostgresLedger(url.replace("postgres@", "reader@"), 14, skip_ambiguous=False)


def test_a_server_that_goes_away_in_mid_run(
    config: Config, url: str, workplace: Workplace, run_here: Callable[..., Result], sandbox: Sandbox
):
    config |= {"ledger_path": url, "max_parallel_requests": 1}
    gone = threading.Event()

    def drop_connections() -> None:
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(
                b"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'target%'"
            )
        gone.set()

    sandbox.plan(path="/api/events/bulk", kind="delay", delay_seconds=1)
    messages = events_messages(event(n) for n in range(30))
    thread = threading.Timer(0.7, drop_connections)
    thread.start()
    result = run_here(config, messages)
    thread.join()
    assert gone.is_set()
    assert result.code == 1
    assert "the database cannot be reached, or went away" in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    again = run_here(config, messages)
    assert again.code == 0, again.stderr
    assert {one["key"] for one in sandbox.split_events()} == {f"user-{n:04}" for n in range(30)}


def test_events_through_the_whole_target(config: Config, url: str, run_here: Callable[..., Result], sandbox: Sandbox):
    config |= {"ledger_path": url}
    messages = events_messages(event(n) for n in range(25))
    for duplicates in (0, 25):
        result = run_here(config, messages)
        assert result.code == 0, result.stderr
        assert result.metrics["records_deduplicated"] == duplicates
    assert len(sandbox.split_events()) == 25


def test_pushed_changes_are_not_remembered_and_the_run_warns(
    config: Config, url: str, run_here: Callable[..., Result], sandbox: Sandbox
):
    columns = {"cohort_id": "c1", "cohort_name": "Power users", "message_id": "m1", "action": "add", "user_id": "a"}
    record = columns | {"computed_time": "2026-03-14T09:00:00Z"}
    schema = {"properties": {name: {} for name in record}}
    messages = [
        {"type": "SCHEMA", "stream": "cohort_changes", "schema": schema, "key_properties": ["message_id", "user_id"]},
        {"type": "RECORD", "stream": "cohort_changes", "record": record},
    ]
    result = run_here(config | {"ledger_path": url}, messages)
    assert result.code == 0, result.stderr
    assert [one["keys"] for one in sandbox.split_segments()] == [["a"]]
    assert "Pushed cohort changes are not remembered beyond this run, because a ledger in PostgreSQL" in result.stderr


def test_check(config: Config, url: str, workplace: Workplace):
    result = workplace.run("target-split", config | {"ledger_path": url}, "--check")
    assert result.code == 0, result.stderr
    assert "Ledger: the database can be written." in result.stdout
