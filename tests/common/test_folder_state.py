"""The state of a stream that reads a folder stays small, and any other is refused."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.folder.bookmark import Bookmark
from support.disk import HOUR, Disk, Tap, filled


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def tap(disk: Disk) -> Tap:
    return Tap(disk)


def test_the_state_stays_small(disk: Disk, tap: Tap) -> None:
    for number in range(3000):
        disk.write(f"f{number}", f"content {number}")
        disk.now += 60
    assert len(tap.run()) == 3000
    assert len(json.dumps(tap.state)) < 1200
    for number in range(10_000):  # all at once
        disk.write(f"g{number}", f"burst {number}")
    tap.run()
    assert len(json.dumps(tap.state)) < 110_000
    disk.now += 2 * HOUR
    disk.write("next", "next")
    tap.run()
    assert len(json.dumps(tap.state)) < 500


def test_a_hundred_thousand_files_at_once_make_a_state_below_a_megabyte(disk: Disk, tap: Tap) -> None:
    for number in range(100_000):
        disk.write(f"impressions-{number:06}.jsonl", f"content {number}")
    reading = tap.open()
    assert len(reading.unread) == 100_000
    for unread in reading.unread:
        reading.finish(unread)
    reading.advance(math.inf, disk.now)
    tap.state = reading.bookmark.to_state()
    assert len(json.dumps(tap.state)) < 1_000_000
    assert tap.open().unread == []


def test_a_state_holds_integers_and_texts_only(disk: Disk, tap: Tap) -> None:
    disk.now += 0.25
    filled(disk, tap)
    disk.write("half.jsonl", "half")
    reading = tap.open()
    reading.note(reading.unread[0], 5, 1767261600000)
    assert "." not in json.dumps(reading.bookmark.to_state()).replace(".jsonl", "")


@pytest.mark.parametrize(
    "state",
    [
        {"read_until": "yesterday"},
        {"read_until": 5.0},
        {"read_until": 5.0, "directories": 7, "read_since": "", "older": {}, "unfinished": {}},
        {"read_until": 5.0, "directories": [], "read_since": "?", "older": {}, "unfinished": {}},
        {"read_until": 5.0, "directories": [], "read_since": "", "older": {"count": 1}, "unfinished": {}},
        {"read_until": 5.0, "directories": [], "read_since": "", "older": None, "unfinished": []},
    ],
)
def test_a_state_that_is_none_is_refused(state: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="not a state"):
        Bookmark.from_state(state, lambda file: b"", "/data")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
MEMBERS = {
    "folder": "/data",
    "read_until": 5,
    "directories": [7],
    "read_since": "",
    "older": {"count": 0, "by_name": "0", "by_inode": "0"},
    "unfinished": {"a.jsonl": {"identity": "00", "rows": 1, "until": None}},
}


@given(st.sampled_from(list(MEMBERS)), json_values)
def test_any_state_is_understood_or_refused(member: str, value: object) -> None:
    try:
        bookmark = Bookmark.from_state({**MEMBERS, member: value}, lambda file: b"", "/data")
    except ValueError:
        return
    again = Bookmark.from_state(json.loads(json.dumps(bookmark.to_state())), lambda file: b"", "/data")
    assert again.to_state() == bookmark.to_state()
