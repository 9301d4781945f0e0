"""Every answer of the events API has one reaction, over real HTTP."""

from __future__ import annotations

import logging
import math
import socket
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.sandbox import Sandbox
from support.scripted import Answer, scripted
from support.sockets import free_port
from target_split.api.client import Client, Host
from target_split.common.errors import ConnectorError
from target_split.common.retry import Retry
from target_split.common.service_clock import ServiceClock
from target_split.common.summary import Summary
from target_split.common.target.checkpoints import Checkpoints
from target_split.common.target.delivery import BatchLine
from target_split.common.target.rejects import Rejects
from target_split.common.target.rejects_file import RejectsFile
from target_split.common.target.services import Proof, Services
from target_split.events.batch import Batch
from target_split.events.sender import EventSender
from target_split.events.transport import HttpTransport
from target_split.ledger.event_id import EventIds
from target_split.ledger.sqlite_ledger import SQLiteLedger

BULK = "/api/events/bulk"
KEY = "test-sdk-key"


class Bench:
    """What delivers batches to a sandbox, and what it counted."""

    def __init__(self, url: str, folder: Path, *, skip: bool = False, timeout: float = 10, key: str = KEY) -> None:
        self.path = folder / "rejects.jsonl"
        logger = logging.getLogger("test")
        self.summary = Summary(logger, logger)
        self.stopping = threading.Event()
        self.clock = ServiceClock("Split", self.summary.note)
        self.ledger = SQLiteLedger(str(folder / "ledger.sqlite"), 14, skip_ambiguous=skip, now=self.clock.now)

        def new_retry() -> Retry:
            return Retry(
                timeout,
                self.stopping,
                lambda *_: self.summary.add("http_retry_count"),
                grace_seconds=5,
                first_wait_seconds=0.05,
            )

        self.client = Client(self.summary, 4, self.clock)
        host = Host(self.client, url, "events_url", key, new_retry)
        rejects = Rejects(RejectsFile(str(self.path), "target-split"), self.summary)
        checkpoints = Checkpoints(lambda _: None)
        services = Services(self.summary, rejects, checkpoints, Proof(checkpoints, ()), self.stopping, logger)
        self.checkpoints = services.checkpoints
        self.sender = EventSender(HttpTransport(host), self.ledger, host, services, skip_ambiguous=skip)

    def deliver(self, events: list[bytes]) -> None:
        ids = EventIds(["host"], "events")
        origin = BatchLine("events", b"{}", 0)
        self.sender.deliver(
            Batch(
                "events", self.checkpoints.begin(), events, [ids.of(event) for event in events], [origin] * len(events)
            )
        )

    @property
    def rejected(self) -> list[dict[str, Any]]:
        return [msgspec.json.decode(line) for line in self.path.read_bytes().splitlines()] if self.path.exists() else []

    def count(self, metric: str) -> int:
        return self.summary[metric]

    def close(self) -> None:
        self.ledger.close()
        self.client.close()


def an_event(number: int, **changes: Any) -> bytes:
    return msgspec.json.encode(
        {
            "eventTypeId": "amp.test",
            "trafficTypeName": "user",
            "key": f"user-{number}",
            "timestamp": 1773480413589 + number,
            "properties": {"city": "Kōbe"},
        }
        | changes
    )


def some(count: int, bad: tuple[int, ...] = ()) -> list[bytes]:
    """Events; the bad ones have a traffic type that Split does not know."""
    return [an_event(n, **({"trafficTypeName": "ghost"} if n in bad else {})) for n in range(count)]


def stored(sandbox: Sandbox) -> list[int]:
    return [int(event["key"].removeprefix("user-")) for event in sandbox.split_events()]


@pytest.fixture
def make_bench(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """Makes benches that keep one ledger, and closes them."""
    benches: list[Bench] = []

    def make(url: str, **how: Any) -> Bench:
        for earlier in benches:
            earlier.close()
        benches.append(Bench(url, tmp_path, **how))
        return benches[-1]

    yield make
    for bench in benches:
        bench.close()


@pytest.fixture
def bench(sandbox: Sandbox, make_bench: Callable[..., Bench]) -> Bench:
    return make_bench(sandbox.url)


def test_accepted(bench: Bench, sandbox: Sandbox):
    bench.deliver(some(10))
    assert stored(sandbox) == list(range(10))
    [request] = sandbox.requests(BULK)
    assert (request["method"], request["status"], request["items"]) == ("POST", 202, 10)
    assert bench.count("records_sent") == 10


LOGIN = {"Content-Type": "text/html"}
FOREIGN: list[dict[str, Any]] = [
    {"status": 200},
    {"status": 200, "body": "<html>Log in</html>", "headers": LOGIN},
    {"status": 202, "body": "<html>Log in</html>", "headers": LOGIN},
    {"status": 204},
    {"status": 400, "body": "<html>Bad request</html>", "headers": LOGIN},
    {"status": 302, "headers": {"Location": "https://login.example/"}},
]


@pytest.mark.parametrize("answer", FOREIGN, ids=["200", "login", "202 login", "204", "400 page", "redirect"])
def test_only_what_split_documents_is_accepted(
    sandbox: Sandbox, make_bench: Callable[..., Bench], answer: dict[str, Any]
):
    bench = make_bench(sandbox.url)
    sandbox.plan(path=BULK, kind="status", **answer)
    with pytest.raises(ConnectorError, match="'events_url'"):
        bench.deliver(some(3))
    assert bench.count("records_sent") == 0
    assert bench.rejected == []
    make_bench(sandbox.url).deliver(some(3))  # the ledger hides nothing of it
    assert stored(sandbox) == [0, 1, 2]


@pytest.mark.parametrize("message", ["Invalid request path", "Missing request body", "Invalid JSON request body"])
def test_a_request_that_is_refused_as_such_stops(bench: Bench, sandbox: Sandbox, message: str):
    sandbox.plan(path=BULK, kind="status", status=400, body={"message": message})
    with pytest.raises(ConnectorError, match=f"refused the request as such.*{message}"):
        bench.deliver(some(8))
    assert len(sandbox.requests(BULK)) == 1
    assert bench.rejected == []


@pytest.mark.parametrize("count", [1, 2, 3, 5, 64, 1000])
@pytest.mark.parametrize("where", ["first", "middle", "last"])
def test_one_bad_event_never_costs_the_others(bench: Bench, sandbox: Sandbox, count: int, where: str):
    bad = {"first": 0, "middle": count // 2, "last": count - 1}[where]
    bench.deliver(some(count, bad=(bad,)))
    assert sorted(stored(sandbox)) == [n for n in range(count) if n != bad]
    [rejected] = bench.rejected
    assert rejected["sent"]["key"] == f"user-{bad}"
    assert rejected["status"] == 400
    assert "trafficTypeName" in rejected["reason"]
    assert len(sandbox.requests(BULK)) <= 2 * math.log2(count) + 2


def test_several_bad_events(bench: Bench, sandbox: Sandbox):
    bad = (0, 1, 7, 30, 31)
    bench.deliver(some(32, bad=bad))
    assert sorted(stored(sandbox)) == [n for n in range(32) if n not in bad]
    assert sorted(int(one["sent"]["key"][5:]) for one in bench.rejected) == list(bad)


def test_all_bad(bench: Bench, sandbox: Sandbox):
    bench.deliver(some(8, bad=tuple(range(8))))
    assert stored(sandbox) == []
    assert len(bench.rejected) == 8


def test_a_reason_holds_nothing_personal(bench: Bench, sandbox: Sandbox):
    sandbox.plan(path=BULK, kind="status", status=400, body={"message": f"no: user-3, Kōbe, {KEY}, field x"})
    bench.deliver([an_event(3)])
    assert bench.rejected[0]["reason"] == "refused by Split: no: ***, ***, ***, field x"


def test_too_large_is_halved(bench: Bench, sandbox: Sandbox):
    sandbox.plan(path=BULK, kind="status", status=413, times=3)
    bench.deliver(some(8))
    assert sorted(stored(sandbox)) == list(range(8))
    assert [r["items"] for r in sandbox.requests(BULK) if r["status"] == 202] == [1, 1, 2, 4]


def test_an_event_that_is_too_large_alone_is_rejected(bench: Bench, sandbox: Sandbox):
    sandbox.plan(path=BULK, kind="status", status=413, times=None, when="user-2")
    bench.deliver(some(4))
    assert sorted(stored(sandbox)) == [0, 1, 3]
    assert [(one["status"], one["reason"]) for one in bench.rejected] == [(413, "too large for Split")]


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_stops_with_the_right_hint(bench: Bench, sandbox: Sandbox, status: int):
    sandbox.plan(path=BULK, kind="status", status=status, body=f'{{"message": "bad key {KEY}"}}')
    with pytest.raises(ConnectorError, match=r"'sdk_api_key'.*server-side SDK key.*not an Admin API key") as error:
        bench.deliver(some(4))
    assert KEY not in str(error.value)
    assert len(sandbox.requests(BULK)) == 1
    assert bench.ledger.leftovers == []


@pytest.mark.parametrize("status", [301, 404, 405, 418])
def test_an_answer_of_another_service_stops(bench: Bench, sandbox: Sandbox, status: int):
    sandbox.plan(path=BULK, kind="status", status=status)
    with pytest.raises(ConnectorError, match="'events_url'"):
        bench.deliver(some(4))
    assert bench.rejected == []


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_what_passes_is_tried_again(bench: Bench, sandbox: Sandbox, status: int):
    sandbox.plan(path=BULK, kind="status", status=status, times=2)
    bench.deliver(some(4))
    assert stored(sandbox) == [0, 1, 2, 3]
    assert [r["status"] for r in sandbox.requests(BULK)] == [status, status, 202]
    assert bench.count("http_retry_count") == 2
    assert bench.count("records_ambiguous") == (8 if status in {502, 504} else 0)


@pytest.mark.parametrize("reset", ["-1", "nan", "inf", "soon", "9" * 20])
def test_a_reset_that_is_not_a_time_is_ignored(bench: Bench, sandbox: Sandbox, reset: str):
    sandbox.plan(path=BULK, kind="status", status=429, headers={"X-RateLimit-Reset-Seconds-Org": reset})
    bench.deliver(some(1))
    assert stored(sandbox) == [0]


def test_the_deadline_ends_and_says_which_setting(sandbox: Sandbox, make_bench: Callable[..., Bench]):
    bench = make_bench(sandbox.url, timeout=0.2)
    sandbox.plan(path=BULK, kind="status", status=503, times=None)
    with pytest.raises(ConnectorError, match=r"[Ss]plit answered 503.*'retry_timeout_seconds'"):
        bench.deliver(some(4))
    # Split said that it did not take them, so the next run need not wonder.
    assert make_bench(sandbox.url).ledger.leftovers == []


def test_a_wait_beyond_the_deadline_is_not_begun(bench: Bench, sandbox: Sandbox):
    sandbox.plan(path=BULK, kind="status", status=429, headers={"Retry-After": "3600"}, times=None)
    with pytest.raises(ConnectorError, match="plit answered 429"):
        bench.deliver(some(1))
    assert len(sandbox.requests(BULK)) == 1


def test_nobody_listens(make_bench: Callable[..., Bench]):
    bench = make_bench(f"http://127.0.0.1:{free_port()}", timeout=0.2)
    with pytest.raises(ConnectorError, match=r"nothing listens.*'events_url'"):
        bench.deliver(some(4))
    assert bench.count("records_ambiguous") == 0


LOSSES: list[dict[str, Any]] = [
    {"kind": "lost"},
    {"kind": "cut"},
    {"kind": "status", "status": 504},
]


@pytest.mark.parametrize("loss", LOSSES, ids=["lost", "cut", "504"])
def test_a_lost_answer_is_posted_again_counted_and_listed(
    bench: Bench, sandbox: Sandbox, caplog: pytest.LogCaptureFixture, loss: dict[str, Any]
):
    sandbox.plan(path=BULK, **loss)
    bench.deliver(some(4))
    assert stored(sandbox) == [0, 1, 2, 3] * (2 if loss["kind"] == "lost" else 1)
    assert bench.count("records_ambiguous") == 4
    assert bench.count("records_sent") == 4
    bench.summary.close()
    assert "sent again: 4 events of stream 'events' with timestamps 1773480413589 to 1773480413592" in caplog.text


def test_very_many_lost_answers_are_listed_in_part(
    sandbox: Sandbox, make_bench: Callable[..., Bench], caplog: pytest.LogCaptureFixture
):
    skipping = make_bench(sandbox.url, skip=True)
    sandbox.plan(path=BULK, kind="status", status=504, times=None)
    for number in range(23):
        skipping.deliver([an_event(number)])
    skipping.summary.close()
    assert caplog.text.count("skipped: 1 event of") == 20
    assert caplog.text.count("only counted, as records_ambiguous") == 1
    assert skipping.count("records_ambiguous") == 23


@pytest.mark.parametrize("loss", LOSSES, ids=["lost", "cut", "504"])
def test_a_lost_answer_is_skipped_when_so_set(
    sandbox: Sandbox, make_bench: Callable[..., Bench], caplog: pytest.LogCaptureFixture, loss: dict[str, Any]
):
    skipping = make_bench(sandbox.url, skip=True)
    sandbox.plan(path=BULK, **loss)
    skipping.deliver(some(4))
    assert stored(sandbox) == ([0, 1, 2, 3] if loss["kind"] == "lost" else [])
    assert skipping.count("records_ambiguous") == 4
    assert skipping.count("records_sent") == 0
    skipping.deliver(some(4))  # and stays skipped
    assert len(sandbox.requests(BULK)) == 1
    skipping.summary.close()
    assert "skipped: 4 events" in caplog.text


def test_a_body_that_is_cut_after_the_status_is_an_answer(make_bench: Callable[..., Bench]):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        answer = b"HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\n{"
        thread = threading.Thread(target=answer_once, args=(server, answer))
        thread.start()
        bench = make_bench(f"http://127.0.0.1:{server.getsockname()[1]}")
        bench.deliver(some(2))
        thread.join()
    assert bench.count("records_sent") == 2
    assert bench.count("http_request_count") == 1


def answer_once(server: socket.socket, answer: bytes) -> None:
    connection, _ = server.accept()
    with connection:
        received = b""
        while b"}]" not in received:
            received += connection.recv(65_536)
        connection.sendall(answer)


def test_of_ambiguous_events_that_are_refused_later_the_ledger_stays_unsure(
    sandbox: Sandbox, make_bench: Callable[..., Bench]
):
    bench = make_bench(sandbox.url, timeout=0.5)
    sandbox.plan(path=BULK, kind="lost")
    sandbox.plan(path=BULK, kind="status", status=503, times=None)
    with pytest.raises(ConnectorError):
        bench.deliver(some(4))
    [left] = make_bench(sandbox.url).ledger.leftovers
    assert len(left.ids) == 4


def test_when_stopping_the_deadline_is_near(bench: Bench, sandbox: Sandbox):
    bench.stopping.set()
    sandbox.plan(path=BULK, kind="status", status=429, headers={"Retry-After": "60"}, times=None)
    with pytest.raises(ConnectorError, match="429"):
        bench.deliver(some(1))


def test_a_clock_that_is_wrong_is_said_and_corrected(make_bench: Callable[..., Bench]):
    in_a_month = formatdate(time.time() + 30 * 86_400, usegmt=True)
    with scripted(lambda _: Answer(status=202, headers={"Date": in_a_month})) as server:
        bench = make_bench(server.url)
        bench.deliver(some(2))
    assert abs(bench.clock.now() - time.time() - 30 * 86_400) < 60
    assert "clock is 720.0 hours behind" in bench.summary._notes[0]


def test_a_clock_that_is_corrected_meanwhile_is_trusted_again(make_bench: Callable[..., Bench]):
    dates = iter([formatdate(time.time() + 30 * 86_400, usegmt=True), formatdate(usegmt=True)])
    with scripted(lambda _: Answer(status=202, headers={"Date": next(dates)})) as server:
        bench = make_bench(server.url)
        bench.deliver(some(2))
        bench.deliver(some(4))
    assert abs(bench.clock.now() - time.time()) < 60
    assert next(dates, None) is None


def test_what_was_accepted_is_not_posted_again(bench: Bench, sandbox: Sandbox):
    bench.deliver(some(6))
    bench.deliver(some(9))
    assert stored(sandbox) == list(range(9))
    assert bench.count("records_deduplicated") == 6
