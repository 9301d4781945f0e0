"""Times: every form Amplitude writes comes out as RFC 3339 UTC with six digits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_amplitude.records.times import parse_time, rfc3339_of_epoch, rfc3339_of_text, rfc3339_of_texts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-14 09:26:53.589000", "2026-03-14T09:26:53.589000Z"),
        ("2026-03-14T09:26:53.589000", "2026-03-14T09:26:53.589000Z"),
        ("2026-03-14 09:26:53", "2026-03-14T09:26:53.000000Z"),
        ("2026-03-14T09:26:53", "2026-03-14T09:26:53.000000Z"),
        ("2026-03-14 09:26:53.589", "2026-03-14T09:26:53.589000Z"),
        ("2026-03-14T09:26:53.589Z", "2026-03-14T09:26:53.589000Z"),
        ("2026-03-14T11:26:53.589000+02:00", "2026-03-14T09:26:53.589000Z"),
        ("9999-12-31 23:59:59.999999", "9999-12-31T23:59:59.999999Z"),
        ("2026-03-14 09:26:53.5+0100", "2026-03-14T08:26:53.500000Z"),
        ("0001-01-01 00:00:00.000000", "0001-01-01T00:00:00.000000Z"),
    ],
)
def test_every_form_of_a_time_becomes_rfc3339(text: str, expected: str) -> None:
    assert rfc3339_of_text(text) == expected


NO_TIMES = [
    "",
    "yesterday",
    "-inf",
    "1e999",
    "2026-02-30 00:00:00.000000",
    "12026-03-14 09:26:53.589000",
    "10000-01-01 00:00:00.000000",
    "0000-01-01 00:00:00.000000",
    "0001-01-01 00:00:00.000000+01:00",
    "9999-12-31 23:59:59.999999-01:00",
    "\u0662026-03-14 09:26:53.589000",
    "2026-03-14 09:26:53.589000\n2026-03-14 09:26:53.589000",
]


@pytest.mark.parametrize("text", NO_TIMES)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        rfc3339_of_text(text)
    with pytest.raises(ValueError):
        parse_time(text)


USUAL = st.datetimes().map(lambda moment: moment.isoformat(" ", "microseconds"))
SHORT = st.datetimes().map(lambda moment: moment.isoformat("T", "milliseconds"))
ZONED = st.datetimes().map(lambda moment: f"{moment.isoformat('T', 'milliseconds')}Z")
OTHERS = ["2026-03-14T09:26:53.589000", "2026-03-14 09:26:53", "2026-03-14 24:00:00.000000", *NO_TIMES]


@given(st.lists(USUAL) | st.lists(SHORT) | st.lists(ZONED) | st.lists(USUAL | SHORT | ZONED | st.sampled_from(OTHERS)))
def test_many_times_become_what_each_becomes(texts: list[str]) -> None:
    for text, time in zip(texts, rfc3339_of_texts(texts), strict=True):
        if time is None:
            with pytest.raises(ValueError):
                rfc3339_of_text(text)
        else:
            assert time == rfc3339_of_text(text)
            assert "T24" not in time


@given(st.datetimes())
def test_exported_times_keep_their_microseconds(moment: datetime) -> None:
    exported = moment.isoformat(sep=" ", timespec="microseconds")
    assert rfc3339_of_text(exported) == exported.replace(" ", "T") + "Z"


@given(st.datetimes(timezones=st.just(timezone(timedelta(hours=-3)))).filter(lambda m: 2 < m.year < 9998))
def test_settings_with_a_zone_become_utc(moment: datetime) -> None:
    assert parse_time(moment.isoformat()) == moment
    assert parse_time(moment.isoformat()).utcoffset() == timedelta(0)


def test_settings_without_a_zone_are_utc() -> None:
    assert parse_time("2026-03-14") == datetime(2026, 3, 14, tzinfo=UTC)


def test_epoch_seconds_and_milliseconds_are_times() -> None:
    assert rfc3339_of_epoch(1773478801) == "2026-03-14T09:00:01.000000Z"
    assert rfc3339_of_epoch(1773478801250) == "2026-03-14T09:00:01.250000Z"


@pytest.mark.parametrize("number", [1e300, -1e300, 10**400, -(10**400), float("inf"), float("-inf"), float("nan")])
def test_numbers_beyond_the_calendar_are_no_times(number: float) -> None:
    with pytest.raises(ValueError):
        rfc3339_of_epoch(number)
