"""Names of event types and segments: readable, allowed, and never one for two."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_split.mapping.names import SEGMENT_RULE, clean_part, complete, event_type_name, event_type_rule

EVENT_TYPE = re.compile(r"[a-zA-Z0-9][-_.a-zA-Z0-9]{0,62}")
SEGMENT = re.compile(r"[a-zA-Z][-_a-zA-Z0-9]{0,99}")
RULE = event_type_rule(63)

# Characters that are cleaned to one another, so that names often meet.
ALIKE = st.text(st.sampled_from("aAÀ_ -.[]!é"), min_size=1, max_size=6)
ANY = st.text(min_size=1, max_size=200)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("[Amplitude] Page Viewed", "amp.Amplitude_Page_Viewed"),
        ("[Experiment] Exposure", "amp.Experiment_Exposure"),
        ("Song Played", "amp.Song_Played"),
        ("Add to Cart", "amp.Add_to_Cart"),
        ("checkout_completed", "amp.checkout_completed"),
        ("checkout.completed-2", "amp.checkout.completed-2"),
        ("Search", "amp.Search"),
    ],
)
def test_usual_names_stay_readable(text: str, name: str):
    assert event_type_name(RULE, "amp.", text) == name


@pytest.mark.parametrize(
    ("text", "begin"),
    [
        ("page viewed", "amp.page_viewed_"),
        ("Amplitude Page Viewed", "amp.Amplitude_Page_Viewed_"),
        ("Köln gewählt", "amp.Koln_gewahlt_"),
        ("$identify", "amp.identify_"),
        ("さくら", "amp.event_"),
    ],
)
def test_what_is_not_usual_gets_a_hash(text: str, begin: str):
    assert re.fullmatch(re.escape(begin) + "[0-9a-f]{8}", event_type_name(RULE, "amp.", text))


def test_names_that_clean_alike_differ():
    alike = [
        "Page Viewed",
        "Page_Viewed",
        "[Page] Viewed",
        "Page  Viewed",
        "Page Viewed ",
        "Page.Viewed",
        "page viewed",
    ]
    assert len({event_type_name(RULE, "amp.", text) for text in alike}) == len(alike)


def test_long_names_are_cut_and_differ():
    first, second = (event_type_name(RULE, "amp.", "x" * 70 + end) for end in "ab")
    assert len(first) == len(second) == 63
    assert first != second


def test_eighty_characters_by_setting():
    assert event_type_name(event_type_rule(80), "amp.", "x" * 76) == "amp." + "x" * 76


def test_without_a_prefix_the_beginning_is_right():
    assert event_type_name(RULE, "", "_private").startswith("event_private_")
    assert event_type_name(RULE, "", "2026 sale")[0] == "2"


@given(ANY, st.sampled_from(["amp.", "", "A-"]))
def test_event_types_are_allowed(text: str, prefix: str):
    assert EVENT_TYPE.fullmatch(event_type_name(RULE, prefix, text))


@given(ALIKE, ALIKE)
def test_two_event_types_never_fall_together(first: str, second: str):
    same = event_type_name(RULE, "amp.", first) == event_type_name(RULE, "amp.", second)
    assert same == (first == second)


@given(ANY, ANY)
def test_two_long_event_types_never_fall_together(first: str, second: str):
    names = {event_type_name(event_type_rule(20), "", text) for text in (first, second)}
    assert len(names) == len({first, second})


def segment_name(text: str) -> str:
    return complete(SEGMENT_RULE, clean_part(SEGMENT_RULE, text), text)


@given(ANY)
def test_segments_are_allowed(text: str):
    name = segment_name(text)
    assert SEGMENT.fullmatch(name)
    assert name not in {"datetime", "string", "integer"}


@pytest.mark.parametrize("text", ["datetime", "string", "integer", "2026 buyers", "-x", "ß"])
def test_segments_that_begin_wrongly_or_are_reserved_get_a_hash(text: str):
    assert re.fullmatch(r"[a-zA-Z].*_[0-9a-f]{8}", segment_name(text))


@given(ALIKE, ALIKE)
def test_two_segments_never_fall_together(first: str, second: str):
    assert (segment_name(first) == segment_name(second)) == (first == second)
