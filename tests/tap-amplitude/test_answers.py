"""Each status of Amplitude has one meaning, and a sentence that names what to change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tap_amplitude.api.errors import (
    NoPermissionError,
    NotFoundError,
    PassingError,
    Secrets,
    TooLargeError,
    clock_failure,
    export_failure,
    failure,
)
from tap_amplitude.common.cli import ConnectorError

NOW = datetime(2026, 3, 14, 9, tzinfo=UTC)


def of(status: int, body: str = "", headers: dict[str, str] | None = None) -> Exception:
    return failure(status, body, headers or {}, what="the list of cohorts", region="us")


def of_export(status: int, body: str = "") -> Exception:
    return export_failure(status, body, {}, what="the events of today", region="eu")


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (of(401), ConnectorError, ["'api_key'", "'secret_key'", "'region'", "'us'"]),
        (of(403, "Invalid API Key"), ConnectorError, ["'api_key'", "'secret_key'", "'region'"]),
        (of_export(403, "Invalid API Key"), ConnectorError, ["'region'", "'eu'"]),
        (of_export(400, '{"error": "Invalid API key: x"}'), ConnectorError, ["'api_key'"]),
        (of(403, "Taxonomy is not part of your plan"), NoPermissionError, ["plan", "deselect"]),
        (of(404), NotFoundError, ["the list of cohorts"]),
        (of(400, '{"error":{"message":"Invalid chart"}}'), ConnectorError, ["400", "Invalid chart"]),
        (of(429, "cost limit"), PassingError, ["quota", "cost limit"]),
        (of(500), PassingError, ["500"]),
        (of(503), PassingError, ["503"]),
        (of(408), PassingError, ["408"]),
        (of_export(500), PassingError, ["the events of today"]),
        (of_export(404), NotFoundError, []),
        (of_export(400), TooLargeError, []),
        (of_export(504), TooLargeError, []),
    ],
)
def test_each_status_has_its_meaning(error: Exception, kind: type[Exception], words: list[str]) -> None:
    assert type(error) is kind
    assert all(word in str(error) for word in words)


def test_only_what_is_too_large_for_certain_is_not_asked_again() -> None:
    assert isinstance(too_large := of_export(400), TooLargeError) and not too_large.may_pass
    assert isinstance(timed_out := of_export(504), TooLargeError) and timed_out.may_pass


def test_a_wait_that_amplitude_names_is_kept() -> None:
    error = of(429, "", {"Retry-After": "17"})
    assert isinstance(error, PassingError)
    assert error.pause_seconds == 17
    assert error.retry_timeout_seconds > 600
    assert isinstance(soon := of(429, "", {"Retry-After": "Sat, 14 Mar 2026 09:00:00 GMT"}), PassingError)
    assert soon.pause_seconds is None


def test_pages_of_html_are_not_quoted_and_long_texts_are_cut() -> None:
    assert "html" not in str(of(500, "<html>gateway</html>"))
    assert len(str(of(500, "x" * 5000))) < 400


def test_secrets_are_hidden() -> None:
    hide = Secrets(("secret-1", "key-1")).hide
    assert hide("Invalid API key: key-1 with secret-1") == "Invalid API key: *** with ***"


@pytest.mark.parametrize("minutes", [-600, -1, 0, 4])
def test_a_clock_that_is_right_or_behind_is_fine(minutes: int) -> None:
    assert clock_failure(format_datetime(NOW, usegmt=True), NOW + timedelta(minutes=minutes)) is None


def test_a_clock_that_is_ahead_stops_the_run() -> None:
    problem = clock_failure(format_datetime(NOW, usegmt=True), NOW + timedelta(minutes=61))
    assert "61 minutes ahead" in str(problem)


@pytest.mark.parametrize("header", [None, "", "yesterday"])
def test_without_a_date_nothing_is_said_of_the_clock(header: str | None) -> None:
    assert clock_failure(header, NOW) is None
