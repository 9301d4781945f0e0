"""The incremental pipeline goes on from exactly the end of the range: nothing is lost and nothing is sent twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from split_amplitude.hand_over import BACKFILL_VARIABLE, bookmark_of, moved, require_complete, require_fit
from split_amplitude.ranges import HOUR, Backfill, RangeError

from support.meltano import Meltano
from support.processes import BIN

ROOT = Path(__file__).parents[2]
STATE_ID = "dev:tap-amplitude-to-target-split"
START = datetime(2026, 1, 1, tzinfo=UTC)
RANGE = Backfill(STATE_ID, START, START + timedelta(days=2), 24 * HOUR)
HOURS = st.integers(-100, 100)


def state_at(moment: datetime) -> dict[str, Any]:
    """A state as tap-amplitude writes it."""
    bookmark = {"replication_key": "export_hour", "replication_key_value": moment.isoformat()}
    return {"singer_state": {"bookmarks": {"events": bookmark}}}


@given(HOURS)
def test_no_hour_is_lost_or_sent_twice(hours: int) -> None:
    """Hours before the bookmark were sent by the pipeline, those of the range by the backfill, the rest come later."""
    bookmark = START + hours * HOUR
    try:
        require_fit(bookmark, RANGE)
    except RangeError:
        fits = False
    else:
        fits = True
    later = max(bookmark, RANGE.end)
    gap = bookmark < RANGE.start
    overlap = RANGE.start < bookmark < RANGE.end
    assert fits == (not gap and not overlap)
    if fits and bookmark < RANGE.end:
        assert bookmark_of(moved(state_at(bookmark), RANGE)) == later


def test_a_pipeline_that_never_ran_fits() -> None:
    require_fit(None, RANGE)
    assert moved({}, RANGE) == state_at(RANGE.end)


@pytest.mark.parametrize(
    ("bookmark", "said"),
    [
        (START - HOUR, "2025-12-31T23:00:00Z to 2026-01-01T00:00:00Z would be lost"),
        (START + HOUR, "2026-01-01T00:00:00Z to 2026-01-01T01:00:00Z would be sent twice"),
    ],
)
def test_what_does_not_fit_is_said_with_the_way_out(bookmark: datetime, said: str) -> None:
    with pytest.raises(RangeError, match=said) as error:
        require_fit(bookmark, RANGE)
    fitting = str(error.value).rpartition("Start the range at ")[2].rstrip(".")
    assert datetime.fromisoformat(fitting) == bookmark


def test_other_bookmarks_stay() -> None:
    before = {"singer_state": {"bookmarks": {"cohorts": {"a": 1}, "events": {"other": True}}, "more": 2}}
    after = moved(before, RANGE)
    assert after["singer_state"]["bookmarks"]["cohorts"] == {"a": 1}
    assert after["singer_state"]["more"] == 2
    assert bookmark_of(after) == RANGE.end


def test_only_complete_windows_are_handed_over() -> None:
    first, second = RANGE.windows()
    complete = {f"{STATE_ID}:{window.suffix}": state_at(window.end) for window in (first, second)}
    require_complete(complete, RANGE)
    for unfinished in ({}, state_at(second.end - HOUR)):
        with pytest.raises(RangeError, match=f"1 windows are not complete: {second.suffix}"):
            require_complete(complete | {f"{STATE_ID}:{second.suffix}": unfinished}, RANGE)


@pytest.fixture
def meltano(tmp_path: Path) -> Meltano:
    return Meltano(tmp_path, "http://127.0.0.1:9")


def step(meltano: Meltano, name: str) -> subprocess.CompletedProcess[str]:
    """Run a step as the DAG does."""
    environment = {
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "orchestrate" / "dags"),
        BACKFILL_VARIABLE: RANGE.to_json(),
    }
    return subprocess.run(
        [sys.executable, "-m", "split_amplitude.hand_over", name],
        cwd=ROOT,
        env=os.environ | meltano.environment | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_meltano_keeps_the_state_that_is_handed_over(meltano: Meltano, tmp_path: Path) -> None:
    windows = {f"{STATE_ID}:{window.suffix}": state_at(window.end) for window in RANGE.windows()}
    # The pipeline itself was stopped at the start of the range, before it had completed a run.
    parts = {name: {"completed": state, "partial": {}} for name, state in windows.items()}
    parts[STATE_ID] = {"completed": {}, "partial": state_at(START)}
    states = tmp_path / "states.json"
    states.write_text(json.dumps(parts))
    assert meltano.run("state", "import", str(states)).code == 0

    checked = step(meltano, "check")
    assert (checked.returncode, checked.stdout) == (0, f"{STATE_ID} stands at 2026-01-01T00:00:00Z.\n"), checked.stderr
    finished = step(meltano, "finish")
    assert (finished.returncode, finished.stdout) == (0, f"{STATE_ID} continues from 2026-01-03T00:00:00Z.\n")
    assert json.loads(meltano.run("state", "get", STATE_ID).stdout) == state_at(RANGE.end)

    again = step(meltano, "finish")
    assert again.returncode == 0
    assert "stands at 2026-01-03T00:00:00Z" in again.stdout


def test_an_unfinished_window_leaves_the_state_alone(meltano: Meltano) -> None:
    finished = step(meltano, "finish")
    assert finished.returncode != 0
    assert "2 windows are not complete" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert json.loads(meltano.run("state", "get", STATE_ID).stdout) == {}
