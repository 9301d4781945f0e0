"""Bodies that no sane service sends: nothing of them gets out, nothing of the rest is lost."""

from __future__ import annotations

import base64
import gzip
import socket
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from support.exports import archive_of, entry_name, export_row, lines_of, zip_of
from support.scripted import Answer, Request, scripted
from tap_amplitude.api.client import Client

ROWS = [export_row(n, "2026-03-14 09:30:00.000000") for n in range(40)]
GOOD = archive_of({entry_name(9): ROWS})
Runs = Callable[..., Any]


@pytest.fixture
def run_on(run_tap: Runs) -> Runs:
    """Run the tap on a day for which the server gives these answers, one after another; the last one is repeated."""

    def run(*answers: Answer, **config: Any) -> Any:
        left = iter(answers)
        last = answers[0]

        def answer(_: Request) -> Answer:
            nonlocal last
            last = next(left, last)
            return last

        with scripted(answer) as server:
            return run_tap(api_url=server.url, **{"end_date": "2026-03-15"} | config)

    return run


def numbers(result: Any) -> list[int]:
    return sorted(record["event_id"] for record in result.records("events"))


def flipped(body: bytes) -> bytes:
    """The body with a wrong byte in the middle of its first entry."""
    return body[:200] + bytes([body[200] ^ 0xFF]) + body[201:]


BROKEN = {
    "cut, its length unknown": Answer(GOOD[:-30], length=None),
    "cut in the middle": Answer(GOOD[: len(GOOD) // 2], length=None),
    "shorter than announced": Answer(GOOD[:-30], length=len(GOOD)),
    "HTML": Answer(b"<html>Please wait</html>"),
    "empty": Answer(b""),
    "broken entry": Answer(flipped(GOOD)),
    "an entry that is no gzip": Answer(zip_of({entry_name(8): gzip.compress(lines_of(ROWS)), entry_name(9): b"junk"})),
    "a cut gzip": Answer(zip_of({entry_name(9): gzip.compress(lines_of(ROWS))[:-20]})),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_broken_body_is_asked_for_again_and_nothing_of_it_gets_out(run_on: Runs, broken: Answer) -> None:
    result = run_on(broken, Answer(GOOD))
    assert result.error == ""
    assert numbers(result) == list(range(40))
    assert result.metrics["http_retry_count"] == 1


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_body_that_stays_broken_stops_the_run_and_is_never_an_empty_hour(run_on: Runs, broken: Answer) -> None:
    result = run_on(broken)
    assert result.code == 1
    assert "2026-03-14 00:00" in result.error
    assert "Traceback" not in result.error
    assert numbers(result) == []
    assert "replication_key_value" not in str(result.state)


@pytest.mark.parametrize("name", ["broken entry", "an entry that is no gzip", "a cut gzip"])
def test_an_archive_that_is_damaged_twice_alike_fails_at_once(run_on: Runs, name: str) -> None:
    result = run_on(BROKEN[name], BROKEN[name], Answer(GOOD))
    assert "the same damaged archive" in result.error
    assert result.metrics["http_retry_count"] == 1


@pytest.mark.parametrize("name", ["cut, its length unknown", "HTML", "empty"])
def test_what_may_be_a_cut_or_a_page_for_a_while_is_retried_again(run_on: Runs, name: str) -> None:
    result = run_on(BROKEN[name], BROKEN[name], BROKEN[name], Answer(GOOD))
    assert numbers(result) == list(range(40))
    assert result.metrics["http_retry_count"] == 3


NO_DATA = b"Raw data files were not found."


@pytest.mark.parametrize(
    "answer",
    [
        Answer(b"<html>404 page not found</html>", status=404),
        Answer(b"", status=404),
        Answer(b'{"code":404,"error":"Not found"}', status=404),
        Answer(NO_DATA, status=302, headers={"Location": "/elsewhere"}),
        Answer(NO_DATA, status=301, headers={"Location": "https://example.com/"}),
    ],
)
def test_only_amplitudes_own_404_is_an_empty_window(run_on: Runs, answer: Answer) -> None:
    result = run_on(answer)
    assert result.code == 1
    assert "'api_url'" in result.error
    assert "replication_key_value" not in str(result.state)
    assert run_on(Answer(NO_DATA, status=404)).error == ""


def test_a_refused_date_is_said_as_amplitude_says_it(run_on: Runs) -> None:
    result = run_on(Answer(b'{"error":"Invalid start date"}', status=400))
    assert "Invalid start date" in result.error
    assert "4 GB" not in result.error


def test_a_foreign_entry_does_not_block_a_window(run_on: Runs) -> None:
    foreign = {"__MACOSX/._x_2026-03-14_9#0.json.gz": b"\0\5", "notes.txt": b"hello"}
    plain = {entry_name(9).removesuffix(".gz"): lines_of(ROWS[20:])}
    result = run_on(Answer(zip_of({entry_name(9): gzip.compress(lines_of(ROWS[:20]))} | plain | foreign)))
    assert result.error == ""
    assert numbers(result) == list(range(40))
    assert "notes.txt" in result.stderr


@pytest.mark.parametrize("length", ["9" * 5000, "-1", "0x10", "\u0661"])
def test_a_senseless_length_is_no_length(run_on: Runs, length: str) -> None:
    headers = {"Content-Length": length.encode().decode("latin-1"), "Connection": "close"}
    assert run_on(Answer(GOOD, length=None, headers=headers)).error == ""


@pytest.mark.parametrize("wait", ["86400", "9" * 20, "-5", "nan", "0"])
def test_a_wait_is_never_longer_than_the_deadline(run_on: Runs, wait: str) -> None:
    result = run_on(Answer(b"busy", status=503, headers={"Retry-After": wait}))
    assert result.code == 1
    assert ("asks to wait 86,400 s" in result.error) is (wait == "86400")
    assert "Traceback" not in result.stderr


def test_deep_json_is_not_json(run_tap: Runs) -> None:
    with scripted(lambda _: Answer(b"[" * 100_000 + b"]" * 100_000)) as server:
        result = run_tap("cohorts", api_url=server.url)
    assert "is not valid JSON" in result.error


def test_keys_are_hidden_in_every_encoding(run_on: Runs) -> None:
    basic = base64.b64encode(b"test-api-key:test-secret-key")
    result = run_on(Answer(b"Authorization: Basic " + basic + b" is wrong", status=418))
    assert "Basic ***== is wrong" in result.error
    assert basic.decode() not in result.stderr


@pytest.fixture
def trickling() -> Iterator[str]:
    """A server whose answers never end: a byte of an archive every few milliseconds. Yields its URL."""
    server = socket.create_server(("127.0.0.1", 0))
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/zip\r\nContent-Length: 1000000\r\n\r\n"

    def answer(connection: socket.socket) -> None:
        pause = threading.Event()
        with connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(head)
            while not pause.wait(0.01):
                connection.sendall(b"P")

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=answer, args=(server.accept()[0],), daemon=True).start()

    thread = threading.Thread(target=accept)
    thread.start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}"
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join()


def test_a_download_that_trickles_has_an_overall_time_limit(
    run_tap: Runs, monkeypatch: pytest.MonkeyPatch, trickling: str
) -> None:
    monkeypatch.setattr(Client, "download_seconds", 0.2)
    result = run_tap(api_url=trickling, end_date="2026-03-14T02:00:00Z", window_hours=2)
    assert result.code == 1
    assert "takes too long" in result.error
    assert "replication_key_value" not in str(result.state)


def test_names_that_lead_elsewhere_are_only_names(run_on: Runs, tmp_path: Path) -> None:
    names = ["../../outside_2026-03-14_9#0.json.gz", "/tmp/outside_2026-03-14_9#1.json.gz"]
    result = run_on(Answer(archive_of({names[0]: ROWS[:20], names[1]: ROWS[20:]})))
    assert numbers(result) == list(range(40))
    assert [path.name for path in tmp_path.rglob("*") if path.is_file() and "outside" in path.name] == []
    assert not list(tmp_path.parent.glob("outside*"))


def test_a_bomb_is_one_unreadable_row(run_on: Runs) -> None:
    bomb = gzip.compress(lines_of(ROWS[:20]) + b"0" * (40 << 20) + b"\n" + lines_of(ROWS[20:]))
    result = run_on(Answer(zip_of({entry_name(9): bomb}, zipfile.ZIP_DEFLATED)))
    assert numbers(result) == list(range(40))
    assert result.metrics["records_skipped"] == 1


def test_large_rows_come_whole(run_on: Runs) -> None:
    row = export_row(99, event_properties={"long": "x" * 5_000_000})
    result = run_on(Answer(archive_of({entry_name(9): [*ROWS, row]})))
    assert numbers(result) == [*range(40), 99]


def test_an_hour_without_rows_is_passed(run_on: Runs) -> None:
    result = run_on(Answer(archive_of({entry_name(8): [], entry_name(9): ROWS})))
    assert numbers(result) == list(range(40))
    marks = [message["value"]["bookmarks"]["events"]["replication_key_value"] for message in result.of_type("STATE")]
    assert marks[:2] == ["2026-03-14T09:00:00+00:00", "2026-03-14T10:00:00+00:00"]


def test_bad_lines_of_every_kind_cost_themselves_alone(run_on: Runs) -> None:
    bad = [b"no json", b"[]", b'{"uuid":5}', b"\xff\xfe", b"{"]
    result = run_on(Answer(archive_of({entry_name(9): [*ROWS, *bad]})))
    assert numbers(result) == list(range(40))
    assert result.metrics["records_skipped"] == 5


def test_bad_values_are_counted(run_on: Runs) -> None:
    result = run_on(Answer(archive_of({entry_name(9): [export_row(1, event_time="soon", data=[])]})))
    assert result.metrics["values_nulled"] == 2
    assert "2 values of a wrong type" in result.stderr


def test_no_answer_in_time_halves_the_window(run_tap: Runs, monkeypatch: pytest.MonkeyPatch, release: Any) -> None:
    monkeypatch.setattr(Client, "timeout", (20, 0.2))

    def answer(request: Request) -> Answer:
        slow = request.query == "start=20260314T00&end=20260314T01"
        hour = int(request.query[15:17])
        rows = [export_row(hour, f"2026-03-14 {hour:02}:30:00.000000")]
        return Answer(archive_of({entry_name(hour): rows}), before=release.wait if slow else list)

    with scripted(answer) as server:
        result = run_tap(api_url=server.url, end_date="2026-03-14T02:00:00Z")
        release.set()
    assert numbers(result) == [0, 1]


@pytest.fixture
def release() -> Iterator[Any]:
    event = threading.Event()
    yield event
    event.set()


def test_a_clock_that_is_ahead_stops_before_any_hour_is_taken_for_empty(run_on: Runs) -> None:
    result = run_on(Answer(b"Raw data files were not found.", status=404, headers={"Date": formatdate(0, usegmt=True)}))
    assert "clock" in result.error
    assert "replication_key_value" not in str(result.state)


def test_an_archive_larger_than_the_disk_is_said_at_once(run_on: Runs) -> None:
    result = run_on(Answer(GOOD, length=10**15))
    assert "The disk is full" in result.error
    assert "'spool_directory'" in result.error


def test_keys_that_amplitude_echoes_are_hidden(run_on: Runs) -> None:
    result = run_on(Answer(b"Bad request for test-api-key:test-secret-key", status=418))
    assert "Bad request for ***:***" in result.error
    assert "test-secret-key" not in result.stderr
