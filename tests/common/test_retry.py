"""Waits between attempts: never past the deadline, never a hot loop, over at once when the run is to end."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import ConnectorError, RetriableError
from common.retry import Retry, StoppedError, retry_after_seconds


class Waits(list[float]):
    """The seconds of all waits."""

    def note(self, reason: str, seconds: float) -> None:
        assert reason
        self.append(seconds)


def fast(timeout_seconds: float, waits: Waits, stopping: threading.Event | None = None, **options: float) -> Retry:
    options = {"first_wait_seconds": 0.001, "longest_wait_seconds": 0.004} | options
    return Retry(timeout_seconds, stopping or threading.Event(), waits.note, **options)


def test_an_action_is_tried_until_it_succeeds():
    waits, failures = Waits(), [RetriableError("busy"), RetriableError("busy")]

    def action() -> str:
        if failures:
            raise failures.pop()
        return "done"

    assert fast(60, waits).run(action) == "done"
    assert len(waits) == 2


def test_waits_grow_up_to_a_limit():
    waits = Waits()
    retry = fast(60, waits)
    for _ in range(200):
        retry.wait("busy")
    assert len(waits) == 200
    assert all(0 <= seconds <= 0.004 for seconds in waits)
    assert max(waits[:1]) <= 0.001


def test_the_deadline_ends_it_with_the_last_reason_and_the_setting():
    retry = fast(0.02, Waits())

    def action() -> None:
        raise RetriableError("nothing listens at 127.0.0.1")

    with pytest.raises(ConnectorError, match=r"^Nothing listens at 127\.0\.0\.1\. Gave up .*'retry_timeout_seconds'"):
        retry.run(action)


def test_a_kind_of_failure_can_have_a_deadline_of_its_own():
    retry = fast(60, Waits())

    def action() -> None:
        raise RetriableError("not reached", timeout_seconds=0.01)

    with pytest.raises(ConnectorError, match="Not reached"):
        retry.run(action)


def test_a_wait_that_the_service_asks_for_is_kept():
    waits = Waits()
    fast(60, waits).wait("throttled", 0.02)
    assert waits == [0.02]


def test_a_wait_beyond_the_deadline_is_not_begun_and_both_are_named():
    waits = Waits()
    with pytest.raises(ConnectorError, match=r"asks to wait 86,400 s, longer than the 300 s .* of 300 s"):
        fast(300, waits).wait("throttled", 86_400)
    assert waits == []


def test_retry_after_zero_is_not_a_hot_loop():
    waits = Waits()
    retry = fast(60, waits)
    for _ in range(5):
        retry.wait("throttled", 0)
    assert waits == [0.001] * 5


def test_the_end_of_all_tries_is_said_as_such_after_retry_after_zero():
    with pytest.raises(ConnectorError, match="Gave up after"):
        fast(0, Waits()).wait("throttled", 0)


def test_the_stop_event_ends_a_wait_at_once():
    stopping = threading.Event()
    retry = Retry(3600, stopping)
    threading.Timer(0.05, stopping.set).start()
    with pytest.raises(StoppedError):
        retry.wait("throttled", 3000)
    with pytest.raises(StoppedError):
        retry.wait("throttled")


def test_with_a_grace_the_last_attempts_go_on_for_a_while():
    stopping = threading.Event()
    stopping.set()
    waits = Waits()
    retry = fast(3600, waits, stopping, grace_seconds=0.02)
    with pytest.raises(ConnectorError, match="Gave up"):
        while True:
            retry.wait("throttled", 86_400)
    assert waits


# Headers


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("86400", 86_400.0),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("99999999999999999999", None),
        ("9" * 5000, None),
        ("1e400", None),
        ("", None),
        ("soon", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", None),
        ("Fri, 31 Foo 2026 99:59:59 GMT", None),
    ],
)
def test_retry_after(text: str, seconds: float | None):
    assert retry_after_seconds({"Retry-After": text}) == seconds


def test_retry_after_as_a_date():
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    seconds = retry_after_seconds({"Retry-After": date})
    assert seconds is not None
    assert 60 < seconds <= 90


def test_a_date_is_compared_with_the_clock_of_the_service():
    headers = {"Date": "Fri, 01 Jan 2021 00:00:00 GMT", "Retry-After": "Fri, 01 Jan 2021 00:00:30 GMT"}
    assert retry_after_seconds(headers) == 30


def test_the_longest_of_several_headers_counts():
    headers = {"X-Reset-Org": "5", "X-Reset-IP": "30", "Retry-After": "1"}
    assert retry_after_seconds(headers, "X-Reset-Org", "X-Reset-IP") == 30
    assert retry_after_seconds({"X-Reset-Org": "-1", "Retry-After": "2"}, "X-Reset-Org") == 2
    assert retry_after_seconds({}, "X-Reset-Org") is None


@given(st.text(max_size=40))
def test_no_header_raises(text: str):
    seconds = retry_after_seconds({"Retry-After": text, "X-Reset": text}, "X-Reset")
    assert seconds is None or 0 <= seconds <= 1_000_000
