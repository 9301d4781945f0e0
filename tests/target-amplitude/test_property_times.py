"""Across runs, too, an older value of a user property never overwrites a newer one."""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from support.amplitude_target import load
from support.impressions import impression, messages
from support.processes import Workplace
from support.sandbox import Sandbox
from target_amplitude.common.timestamps import rfc3339
from target_amplitude.delivery.property_times import DAYS_KEPT, PropertyTimes

NOON = 1_773_489_600_000
DAY = 86_400_000


def seen(treatment: str, minute: int, **columns: Any) -> dict[str, Any]:
    """An impression of user-1 at a minute of one hour."""
    time = f"2026-03-14T09:{minute:02}:00.000Z"
    return impression(minute, key="user-1", split="checkout", treatment=treatment, time=time, **columns)


@pytest.fixture(params=["events", "api"])
def kept(request: pytest.FixtureRequest, config: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    """Settings that load user properties and keep their times."""
    path = str(tmp_path / "times.sqlite")
    return config | {"load_as": "identify", "identify_via": request.param, "property_times_path": path}


def property_of(sandbox: Sandbox) -> Any:
    (user,) = sandbox.amplitude_users()
    return user["user_properties"]["checkout"]


def test_an_older_value_that_a_later_run_reads_changes_nothing(kept: dict[str, Any], sandbox: Sandbox) -> None:
    load(kept, messages([seen("on", 30)]))
    later = load(kept, messages([seen("off", 20)]))
    assert property_of(sandbox) == "on"
    assert later.counts["records_deduplicated"] == 1
    assert not later.error


def test_a_newer_value_of_a_later_run_is_set(kept: dict[str, Any], sandbox: Sandbox) -> None:
    load(kept, messages([seen("on", 30)]))
    load(kept, messages([seen("off", 31)]))
    assert property_of(sandbox) == "off"


def test_what_is_read_again_is_set_again(kept: dict[str, Any], sandbox: Sandbox) -> None:
    """Something else may have changed the property meanwhile, so the same value is not taken for known."""
    load(kept, messages([seen("on", 30)]))
    again = load(kept, messages([seen("off", 20), seen("on", 30)]))
    assert property_of(sandbox) == "on"
    assert again.counts["records_sent"] == 1


def test_the_time_of_a_rejected_value_is_not_kept(kept: dict[str, Any], sandbox: Sandbox) -> None:
    path = "/identify" if kept["identify_via"] == "api" else "/batch"
    refusal = {"code": 400, "error": "Invalid event JSON"}
    sandbox.plan(path=path, status=400, body=refusal, times=1)
    load(kept, messages([seen("on", 30)]))
    load(kept, messages([seen("off", 20)]))
    assert property_of(sandbox) == "off"


def test_a_time_in_the_future_holds_off_no_value_to_come(kept: dict[str, Any], sandbox: Sandbox) -> None:
    load(kept, messages([seen("on", 30) | {"time": "2126-03-14T09:00:00.000Z"}]))
    load(kept, messages([seen("off", 30) | {"time": "2125-03-14T09:00:00.000Z"}]))
    assert property_of(sandbox) == "off"


def test_a_clock_that_is_behind_does_not_make_all_values_one_moment(kept: dict[str, Any], sandbox: Sandbox) -> None:
    sandbox.plan(preset="clock_ahead", path="*", times=None)  # by 30 days: this machine's clock is behind
    newer, older = (rfc3339(round((time.time() + days * 86_400) * 1000)) for days in (20, 10))
    load(kept, messages([seen("on", 30) | {"time": newer}]))
    load(kept, messages([seen("off", 30) | {"time": older}]))
    assert property_of(sandbox) == "on"


def test_projects_have_times_of_their_own(kept: dict[str, Any], sandbox: Sandbox) -> None:
    load(kept | {"api_key": "other-project-key"}, messages([seen("on", 30)]))
    load(kept, messages([seen("off", 20)]))
    assert property_of(sandbox) == "off"


def test_without_the_file_a_later_run_sets_what_it_reads_and_says_so(kept: dict[str, Any], sandbox: Sandbox) -> None:
    del kept["property_times_path"]
    load(kept, messages([seen("on", 30)]))
    later = load(kept, messages([seen("off", 20)]))
    assert property_of(sandbox) == "off"
    assert [line for line in later.warnings if "'property_times_path'" in line]


def test_neither_a_dry_run_nor_a_load_of_events_makes_the_file(kept: dict[str, Any]) -> None:
    load(kept | {"dry_run": True}, messages([seen("on", 30)]))
    load(kept | {"load_as": "event"}, messages([seen("on", 30)]))
    assert not Path(kept["property_times_path"]).exists()


def test_the_file_is_private_and_holds_no_ids(kept: dict[str, Any]) -> None:
    load(kept, messages([seen("on", 30)]))
    path = Path(kept["property_times_path"])
    assert path.stat().st_mode & 0o777 == 0o600
    assert b"user-1" not in path.read_bytes()


def other_database(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE users (id)")
    database.close()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_text("This is not SQLite, " * 9), "is not a file of this target"),
        (other_database, "is a database of something else"),
        (lambda path: path.mkdir(), "is not a file"),
        (lambda path: path.symlink_to(path.with_name("elsewhere")), "is a symbolic link"),
        (lambda path: path.parent.rmdir(), "does not exist"),
    ],
    ids=["text", "other database", "folder", "link", "no folder"],
)
def test_a_file_that_cannot_be_used_is_one_error_and_no_state(
    make: Any, words: str, config: dict[str, Any], workplace: Workplace, tmp_path: Path
) -> None:
    folder = tmp_path / "of-times"
    folder.mkdir()
    path = folder / "times.sqlite"
    make(path)
    settings = config | {"load_as": "identify", "property_times_path": str(path)}
    lines = [json.dumps(line) for line in [*messages([seen("on", 30)]), {"type": "STATE", "value": {"a": 1}}]]
    result = workplace.run("target-amplitude", settings, messages=lines)
    assert result.code == 1
    (error,) = [line for line in result.stderr.splitlines() if "| ERROR" in line]
    assert "'property_times_path'" in error
    assert words in error
    assert not result.stdout


def test_a_file_in_use_is_an_error(kept: dict[str, Any]) -> None:
    times = PropertyTimes(kept["property_times_path"], "project")
    times.record([("u1", {"a": 1})])
    assert "is in use by another run" in load(kept, messages([seen("on", 30)])).error
    times.close()


class Clock:
    def __init__(self, milliseconds: int) -> None:
        self.milliseconds = milliseconds

    def __call__(self) -> float:
        return self.milliseconds / 1000


def test_users_without_changes_for_long_are_forgotten(tmp_path: Path) -> None:
    path, clock = str(tmp_path / "times.sqlite"), Clock(NOON)
    times = PropertyTimes(path, "project", clock)
    times.record([("u1", {"a": NOON - DAY}), ("u2", {"a": NOON})])
    times.close()
    clock.milliseconds += DAYS_KEPT * DAY
    times = PropertyTimes(path, "project", clock)
    times.record([("u3", {"a": clock.milliseconds})])
    assert times.get("u1") == {"a": NOON - DAY}  # nothing newer was known when the file was opened
    times.close()
    clock.milliseconds += DAY
    times = PropertyTimes(path, "project", clock)
    assert (times.get("u1"), times.get("u2"), times.get("u3")) == ({}, {"a": NOON}, {"a": NOON + DAYS_KEPT * DAY})
    times.close()


def test_a_clock_that_is_far_ahead_forgets_nothing(tmp_path: Path) -> None:
    path, clock = str(tmp_path / "times.sqlite"), Clock(NOON)
    times = PropertyTimes(path, "project", clock)
    times.record([("u1", {"a": NOON - DAY}), ("u2", {"a": NOON})])
    times.close()
    clock.milliseconds += 1_000 * DAY
    times = PropertyTimes(path, "project", clock)
    assert times.get("u1") == {"a": NOON - DAY}
    times.close()
