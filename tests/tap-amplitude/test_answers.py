"""Each status of Amplitude has one meaning, and a sentence that names what to change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tap_amplitude.api.errors import (
    ANSWERS,
    EXPORT_ANSWERS,
    Failure,
    InvalidKeysError,
    NoDataError,
    NoPermissionError,
    NotFoundError,
    RefusedError,
    TooLargeError,
    error_of,
    require_true_clock,
)
from tap_amplitude.common.errors import ConnectorError, RetriableError


def of(status: int, body: str = "", headers: dict[str, str] | None = None) -> Exception:
    return error_of(Failure(status, body, headers or {}, "the list of cohorts", "us"), ANSWERS)


def of_export(status: int, body: str = "") -> Exception:
    return error_of(Failure(status, body, {}, "the events of today", "eu"), EXPORT_ANSWERS)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (of(401), InvalidKeysError, ["'api_key'", "'secret_key'", "'region'", "'us'"]),
        (of(403, "Invalid API Key"), InvalidKeysError, ["'api_key'", "'secret_key'", "'region'"]),
        (of_export(403, "Invalid API Key"), InvalidKeysError, ["'region'", "'eu'"]),
        (of_export(400, '{"error": "Invalid API key: x"}'), InvalidKeysError, ["'api_key'"]),
        (of(403, "Taxonomy is not part of your plan"), NoPermissionError, ["plan", "deselect"]),
        (of(404), NotFoundError, ["the list of cohorts"]),
        (of(400, '{"error":{"message":"Invalid chart"}}'), RefusedError, ["400", "Invalid chart"]),
        (of(429, "cost limit"), RetriableError, ["rate limit", "cost limit"]),
        (of(500), RetriableError, ["500"]),
        (of(503), RetriableError, ["503"]),
        (of(408), RetriableError, ["408"]),
        (of_export(500), RetriableError, ["the events of today"]),
        (of_export(404, "Raw data files were not found."), NoDataError, []),
        (of_export(404), ConnectorError, ["404", "'api_url'", "proxy"]),
        (of_export(404, "<html>Raw data</html>"), ConnectorError, ["'api_url'"]),
        (of_export(301), ConnectorError, ["redirected", "'api_url'"]),
        (of_export(400, '{"error": "Invalid start date"}'), ConnectorError, ["400", "Invalid start date"]),
        (of_export(400, "Export exceeds 4GB"), TooLargeError, ["4GB"]),
        (of_export(400), TooLargeError, []),
        (of_export(504), TooLargeError, []),
    ],
)
def test_each_status_has_its_meaning(error: Exception, kind: type[Exception], words: list[str]) -> None:
    assert type(error) is kind
    assert all(word in str(error) for word in words)


def test_only_what_is_too_large_for_certain_is_not_asked_again() -> None:
    too_large, timed_out = of_export(400), of_export(504)
    assert [type(too_large), type(timed_out)] == [TooLargeError, TooLargeError]
    assert [too_large.retriable, timed_out.retriable] == [False, True]


def test_a_wait_that_amplitude_names_is_kept() -> None:
    error = of(429, "", {"Retry-After": "17"})
    assert isinstance(error, RetriableError)
    assert error.retry_after == 17
    assert isinstance(nonsense := of(429, "", {"Retry-After": "9" * 20}), RetriableError)
    assert nonsense.retry_after is None


def test_pages_of_html_are_not_quoted_and_long_texts_are_cut() -> None:
    assert "html" not in str(of(500, "<html>gateway</html>"))
    assert len(str(of(500, "x" * 5000))) < 400


def test_without_a_date_or_with_a_clock_that_is_right_or_behind_nothing_is_said() -> None:
    for minutes in (-4, 0, 1, 600):
        require_true_clock(format_datetime(datetime.now(UTC) + timedelta(minutes=minutes), usegmt=True))
    for header in (None, "", "yesterday", "Sat, 99 Mar 2026 09:00:00 GMT"):
        require_true_clock(header)


def test_a_clock_that_is_ahead_stops_the_run() -> None:
    with pytest.raises(ConnectorError, match="61 minutes ahead"):
        require_true_clock(format_datetime(datetime.now(UTC) - timedelta(minutes=61), usegmt=True))
