"""Where the incremental pipeline continues after a backfill.

`python -m split_amplitude.hand_over check` stops a backfill that would lose hours or send some twice;
`… finish` proves that each window is complete, and then moves the pipeline's bookmark to the end of the range.
The range comes in the variable BACKFILL; Meltano is asked through its command line, so that any state backend will do.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from split_amplitude.ranges import RANGED_STREAM, REPLICATION_KEY, Backfill, RangeError, moment_of, text_of

BACKFILL_VARIABLE = "BACKFILL"
State = Mapping[str, Any]


def bookmark_of(state: State) -> datetime | None:
    """Return the time up to which a state says that the stream is complete, or None."""
    bookmarks = state.get("singer_state", {}).get("bookmarks", {})
    value = bookmarks.get(RANGED_STREAM, {}).get("replication_key_value")
    return moment_of(value) if value else None


def require_fit(bookmark: datetime | None, backfill: Backfill) -> None:
    """Check that the range and the incremental pipeline meet exactly.

    It fits when the pipeline never ran, when it stands at the start of the range, or when it is past the end.

    Raises:
        RangeError: Hours would be lost or sent twice.
    """
    if bookmark is None or bookmark == backfill.start or bookmark >= backfill.end:
        return
    what = "would be lost" if bookmark < backfill.start else "would be sent twice"
    hours = " to ".join(text_of(moment) for moment in sorted((bookmark, backfill.start)))
    raise RangeError(
        f"The state {backfill.state_id} stands at {text_of(bookmark)}: the hours {hours} {what}."
        f" Start the range at {text_of(bookmark)}."
    )


def require_complete(completed: Mapping[str, State], backfill: Backfill) -> None:
    """Check that each window was read to its end, by the states of the last successful runs, else `RangeError`."""
    unfinished = [
        window.suffix
        for window in backfill.windows()
        if bookmark_of(completed.get(f"{backfill.state_id}:{window.suffix}", {})) != window.end
    ]
    if unfinished:
        raise RangeError(
            f"{len(unfinished)} windows are not complete: {', '.join(unfinished)}. Clear them in Airflow to run them"
            " again; the newest hours are complete only after the tap's 'lag_hours'."
        )


def moved(state: State, backfill: Backfill) -> dict[str, Any]:
    """Return a state with its bookmark at the end of the range, otherwise unchanged."""
    singer_state = state.get("singer_state", {})
    bookmark = {"replication_key": REPLICATION_KEY, "replication_key_value": backfill.end.isoformat()}
    bookmarks = singer_state.get("bookmarks", {}) | {RANGED_STREAM: bookmark}
    return {**state, "singer_state": {**singer_state, "bookmarks": bookmarks}}


def check(backfill: Backfill) -> str:
    """Check, before anything is read, that the range fits."""
    bookmark = bookmark_of(state_of(backfill.state_id))
    require_fit(bookmark, backfill)
    return f"{backfill.state_id} stands at {text_of(bookmark)}." if bookmark else f"{backfill.state_id} has no state."


def finish(backfill: Backfill) -> str:
    """Move the bookmark to the end of the range, unless it is already there or past it."""
    states = json.loads(meltano("state", "export"))
    require_complete({state_id: parts["completed"] for state_id, parts in states.items()}, backfill)
    state = state_of(backfill.state_id)
    bookmark = bookmark_of(state)
    require_fit(bookmark, backfill)
    if bookmark and bookmark >= backfill.end:
        return f"{backfill.state_id} stands at {text_of(bookmark)} and continues from there."
    meltano("state", "set", "--force", backfill.state_id, json.dumps(moved(state, backfill)))
    return f"{backfill.state_id} continues from {text_of(backfill.end)}."


def state_of(state_id: str) -> State:
    """Return the state that the next run under this id would get."""
    state: State = json.loads(meltano("state", "get", state_id))
    return state


def meltano(*arguments: str) -> str:
    """Run Meltano and return what it prints; its log goes where this process's goes.

    Raises:
        subprocess.CalledProcessError: It failed.
    """
    return subprocess.run(["meltano", *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout  # noqa: S603, S607  # the one on the path


def main() -> None:
    """Run the step that the first argument names; print one line."""
    step = {"check": check, "finish": finish}[sys.argv[1]]
    try:
        said = step(Backfill.from_json(os.environ[BACKFILL_VARIABLE]))
    except RangeError as error:
        sys.exit(str(error))
    sys.stdout.write(f"{said}\n")


if __name__ == "__main__":
    main()
