"""Progress: long work says where it is."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.exports import archive_of, entry_name, rows_over
from support.sandbox import Sandbox
from support.scripted import Answer, scripted
from tap_amplitude.api import quota
from tap_amplitude.common import summary
from tap_amplitude.export import prefetch

Runs = Callable[..., Any]


@pytest.fixture(autouse=True)
def say_all(monkeypatch: pytest.MonkeyPatch) -> None:
    assert summary.PROGRESS_SECONDS <= 30
    monkeypatch.setattr(summary, "PROGRESS_SECONDS", 0)


def test_reading_says_window_hour_rows_and_rate(sandbox: Sandbox, run_tap: Runs) -> None:
    sandbox.put_export_rows(rows_over(hours=2, per_hour=50))
    result = run_tap(api_url=sandbox.url, end_date="2026-03-15")
    assert "Window 2026-03-14 00:00 to 2026-03-15 00:00 UTC, hour 2026-03-14 01:00: 100 events so far," in result.stderr
    assert "a second." in result.stderr


@pytest.fixture
def said_to_wait() -> Iterator[threading.Event]:
    """Set once the tap has said that it waits."""
    said, logger = threading.Event(), logging.getLogger("tap-amplitude")

    def look_at(record: logging.LogRecord) -> bool:
        if "Waiting for" in record.getMessage():
            said.set()
        return True

    logger.addFilter(look_at)
    yield said
    logger.removeFilter(look_at)


def test_waiting_for_an_archive_says_so(
    run_tap: Runs, monkeypatch: pytest.MonkeyPatch, said_to_wait: threading.Event
) -> None:
    monkeypatch.setattr(prefetch, "WAIT_SECONDS", 0.01)
    body = archive_of({entry_name(0): rows_over(1, 5)})
    with scripted(lambda _: Answer(body, before=said_to_wait.wait)) as server:
        result = run_tap(api_url=server.url, end_date="2026-03-15")
    assert "Waiting for the archive of 2026-03-14 00:00 to 2026-03-15 00:00 UTC" in result.stderr


def test_waiting_for_a_list_and_for_the_quota_says_so(
    sandbox: Sandbox, run_tap: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.put_cohort(id="c1", name="c1", members=[], polls=3)
    assert (
        "Waiting for the members of cohort 'c1'."
        in run_tap("cohort_members", api_url=sandbox.url, cohort_ids=["*"]).stderr
    )
    monkeypatch.setattr(quota, "BUDGET_COST", 100)
    monkeypatch.setattr(quota, "BUDGET_SECONDS", 0.4)
    result = run_tap("active_users", api_url=sandbox.url, start_date="2025-03-14", end_date="2026-03-14")
    assert len(result.records("active_users")) == 365
    assert "until Amplitude's dashboard quota allows the active users" in result.stderr
