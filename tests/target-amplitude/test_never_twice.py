"""Repeats are recognised by Amplitude, and with `dedupe` not even sent."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.amplitude_target import load
from support.impressions import impression, messages
from support.sandbox import Sandbox
from target_amplitude.delivery.seen import Seen
from target_amplitude.payloads.insert_id import digest


@pytest.mark.parametrize(("dedupe", "copies"), [("none", 7), ("hour", 5), ("day", 3)])
@pytest.mark.parametrize("load_as", ["event", "exposure"])
def test_one_a_period(load_as: str, dedupe: str, copies: int, config, sandbox: Sandbox):
    """Zones mixed, in no order: the UTC clock counts."""
    times = [
        "2026-03-14T23:59:59.999Z",
        "2026-03-15T00:30:00+01:00",  # the hour before
        "2026-03-14T00:00:00Z",
        "2026-03-14 00:59:59.999999",
        "2026-03-13T23:00:00Z",
        "2026-03-15T00:00:00Z",
        "2026-03-15T01:00:00.000Z",
    ]
    loaded = load(
        config | {"dedupe": dedupe, "load_as": load_as},
        messages(impression(n, key="ada", time=time) for n, time in enumerate(times)),
    )
    assert loaded.error == ""
    assert len(sandbox.amplitude_events()) == loaded.counts["records_sent"] == copies
    assert loaded.counts["records_deduplicated"] == 7 - copies


@pytest.mark.parametrize("scope", ["project", "device"])
def test_a_repeated_run_adds_nothing_in_both_readings_of_an_insert_id(scope: str, config, sandbox: Sandbox):
    sandbox.call("POST", "/amplitude/settings", {"insert_id_scope": scope})
    identity = {"device": "device_id", "*": "user_id"}
    records = [impression(n, traffic_type=kind) for n, kind in enumerate(["user", "device"] * 3)]
    for _ in range(2):
        assert load(config | {"identity": identity}, messages(records)).counts["records_sent"] == 6
        assert len(sandbox.amplitude_events()) == 6


def test_an_insert_id_that_is_mapped_goes_before_the_period(config, sandbox: Sandbox):
    mappings = {"impressions": {"insert_id": "label"}}
    records = [impression(n, key="ada", label=label) for n, label in enumerate(["not hex", "one", "one", None])]
    loaded = load(config | {"dedupe": "day", "mappings": mappings}, messages(records))
    assert loaded.error == ""
    assert {event["insert_id"] for event in sandbox.amplitude_events()} == {"not hex", "one", f"{3:032x}"}
    assert any(
        "'insert_id' in 'mappings' takes precedence over the setting 'dedupe'" in line for line in loaded.warnings
    )


def test_users_flags_treatments_and_kinds_of_id_are_kept_apart(config, sandbox: Sandbox):
    records = [
        impression(n, key=key, split=split, treatment=treatment, traffic_type=kind)
        for n, (key, split, treatment, kind) in enumerate(
            (key, split, treatment, kind)
            for _ in range(3)
            for key in ("a", "b")
            for split in ("a", "b")
            for treatment in ("a", "b")
            for kind in ("user", "device")
        )
    ]
    identity = {"user": "user_id", "device": "device_id"}
    loaded = load(config | {"dedupe": "day", "identity": identity}, messages(records))
    assert len(sandbox.amplitude_events()) == 16
    assert loaded.counts["records_deduplicated"] == 32


def test_over_batches_and_runs(config, sandbox: Sandbox):
    records = [impression(n, key=f"user-{n % 3000}") for n in range(9000)]
    for _ in range(2):
        loaded = load(config | {"dedupe": "day"}, messages(records))
        assert loaded.counts["records_deduplicated"] == 6000
        assert loaded.counts["records_sent"] == 3000
    assert len(sandbox.amplitude_events()) == 3000


def test_the_three_ways_do_not_take_each_other_for_repeats(config, sandbox: Sandbox):
    for load_as in ("event", "exposure", "identify"):
        assert load(config | {"load_as": load_as}, messages([impression(0)])).error == ""
    kinds = {event["event_type"] for event in sandbox.amplitude_events()}
    assert kinds == {"get_treatment", "$exposure", "$identify"}


def test_impressions_without_an_id_are_told_apart_by_their_natural_key(config, sandbox: Sandbox):
    settings = config | {"validate_records": False}
    records = [impression(n, impression_id=None, key="ada", received_at=f"{n}") for n in (1, 2, 1, 2)]
    records += [{**records[0], "label": None}, {**records[0], "label": ""}]
    for record in records:
        record["received_at"] = None
    loaded = load(settings, messages(records))
    assert loaded.error == ""
    assert len(sandbox.amplitude_events()) == 4


@given(st.lists(st.text(), min_size=1), st.lists(st.text(), min_size=1))
def test_digests_tell_all_values_apart(one: list[str], other: list[str]):
    assert (digest(*one) == digest(*other)) is (one == other)


def test_digests_of_anything():
    values = [None, "", "null", 0, False, "0", [], {}, [None], "\ud800", "\\ud800", 2**70]
    assert len({digest("x", value) for value in values}) == len(values)
    assert digest("a", "b") != digest("ab")
    assert digest("a", None) != digest("a")


@given(st.lists(st.integers(0, 2**128 - 1).map(lambda number: f"{number:032x}"), unique=True), st.randoms())
def test_memory_of_what_was_sent(ids: list[str], chance):
    repeated = ids + ids
    chance.shuffle(repeated)  # may end the test, so nothing is open yet
    seen = Seen()
    assert sum(seen.is_new(one) for one in repeated) == len({one[:16] for one in ids})
    seen.close()


def test_what_was_sent_is_kept_on_disk_beyond_its_cache():
    seen = Seen()
    assert all(seen.is_new(f"{n * 2654435761 % 2**64:016x}") for n in range(60_000))
    assert not any(seen.is_new(f"{n * 2654435761 % 2**64:016x}") for n in range(0, 60_000, 7))
    seen.close()
    with pytest.raises(sqlite3.ProgrammingError):
        seen.is_new("0" * 16)
