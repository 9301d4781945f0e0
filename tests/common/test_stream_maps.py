"""Stream maps of a user that cannot be followed, in a tap: what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from common.stream_maps import unmatched
from support.processes import Workplace

IMPRESSION = {"key": "user-1", "split": "checkout", "treatment": "on", "time": 1767261600001}


@pytest.mark.parametrize(
    ("stream_maps", "warnings"),
    [
        (None, []),
        ({"events": {}, "ev*": {}, "__else__": None}, []),
        ({"copy": {"__source__": "events"}}, []),
        ({"event": None}, ["Setting 'stream_maps.event' matches no stream of this run. Did you mean 'events'?"]),
        ({"copy": {"__source__": "x"}}, ["Setting 'stream_maps.copy' matches no stream of this run."]),
    ],
)
def test_entries_for_no_stream_are_named(stream_maps: Any, warnings: list[str]) -> None:
    assert list(unmatched(stream_maps, ["events", "cohorts"])) == warnings


@pytest.mark.parametrize(
    ("expressions", "message"),
    [
        ({"x": "nope("}, "Setting 'stream_maps': Failed to parse expression nope(. Correct the expression."),
        ({"x": "nope"}, "Setting 'stream_maps': Failed to evaluate simpleeval expressions nope. Correct"),
        ({"x": "int(key)"}, "Setting 'stream_maps': an expression fails on a record (ValueError). Correct it"),
        ({"__filter__": "label > 5"}, "Setting 'stream_maps': an expression fails on a record (TypeError). Correct it"),
        ({"x": 5}, "Setting 'stream_maps.impressions' has none of the forms that it can have"),
    ],
)
def test_a_tap_names_the_setting(
    expressions: dict[str, Any], message: str, workplace: Workplace, tmp_path: Path
) -> None:
    (tmp_path / "a.json").write_text(json.dumps([IMPRESSION]))
    config = {"path": str(tmp_path), "settle_seconds": 0, "stream_maps": {"impressions": expressions}}
    result = workplace.run("tap-split-impressions", config)
    assert result.code == 1
    assert message in result.stderr
    assert "user-1" not in result.stderr


def test_a_catalog_that_renames_a_stream_or_selects_none(workplace: Workplace, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps([IMPRESSION]))
    config = {"path": str(tmp_path), "settle_seconds": 0}
    catalog = json.loads(workplace.run("tap-split-impressions", None, "--discover").stdout)
    entry = catalog["streams"][0]
    renamed = workplace.run("tap-split-impressions", config, catalog={"streams": [entry | {"stream": "mine"}]})
    assert renamed.code == 1
    assert 'use the setting \'stream_maps\': {"impressions": {"__alias__": "mine"}}.' in renamed.stderr
    nameless = {name: value for name, value in entry.items() if name != "stream"}
    assert workplace.run("tap-split-impressions", config, catalog={"streams": [nameless]}).records("impressions")
    nothing = workplace.run("tap-split-impressions", config, catalog={"streams": []})
    assert (nothing.code, nothing.records("impressions")) == (0, [])
    assert "No stream is selected, so nothing is read. Select streams in the catalog." in nothing.stderr
