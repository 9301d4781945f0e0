"""Times in any usual spelling, exact to the millisecond."""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from common.timestamps import epoch_microseconds, epoch_milliseconds, rfc3339

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOMENTS = st.datetimes(min_value=datetime(1973, 3, 4), max_value=datetime(2280, 1, 1), timezones=st.just(UTC))
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


def milliseconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(milliseconds=1)


@given(moment=MOMENTS, zone=OFFSETS, digits=st.integers(0, 9), separator=st.sampled_from("Tt "))
@example(moment=datetime(2026, 3, 14, tzinfo=UTC), zone=UTC, digits=3, separator="T")
def test_rfc_3339_with_any_fraction_and_offset(moment: datetime, zone: timezone, digits: int, separator: str):
    local = moment.astimezone(zone)
    fraction = f"{local.microsecond:06}000"[:digits]
    offset = local.strftime("%z")
    text = local.strftime("%Y").zfill(4) + local.strftime("-%m-%d") + separator + local.strftime("%H:%M:%S")
    text += (f".{fraction}" if fraction else "") + f"{offset[:3]}:{offset[3:]}"
    kept = moment.replace(microsecond=int(fraction.ljust(6, "0")[:6]))
    assert epoch_milliseconds(text) == milliseconds(kept)


USUAL = st.from_regex(r"\A[012]\d\d\d-[01]\d-[0123]\d[T ][012]\d:[0-6]\d:[0-6]\d([.,]\d{0,10})?(Z|[+-]\d\d:?\d\d)?Z?\Z")


@given(USUAL | MOMENTS.map(lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")))
@example("0001-01-01T00:00:00Z")
@example("2026-W14-4T08:15:30Z")
def test_the_most_usual_texts_are_read_by_the_same_rule(text: str):
    read: list[int | None] = []
    for rule in (epoch_milliseconds, lambda text: epoch_microseconds(text) // 1000):
        try:
            read.append(rule(text))
        except ValueError:
            read.append(None)
    assert read[0] == read[1]


def is_compact_date(number: int) -> bool:
    return re.fullmatch(r"20\d\d(0[1-9]|1[0-2])([0-2]\d|3[01])([01]\d|2[0-3])([0-5]\d){0,2}", str(number)) is not None


@given(MOMENTS)
def test_numbers_tell_their_unit_by_their_digits(moment: datetime):
    micros = (moment - EPOCH) // timedelta(microseconds=1)
    assert epoch_microseconds(micros) == micros
    for number in (micros, micros // 1000, micros * 1000, str(micros // 1000)):
        if not is_compact_date(int(number)):
            assert epoch_milliseconds(number) == milliseconds(moment)
    seconds = micros // 1_000_000
    if not is_compact_date(seconds):
        for number in (seconds, float(seconds), str(seconds), f"{seconds}.000"):
            assert epoch_milliseconds(number) == seconds * 1000


@pytest.mark.parametrize(
    ("digits", "expected"),
    [
        ("19700101", "1970-01-01T00:00:00"),
        ("20260402", "2026-04-02T00:00:00"),
        ("2026040208", "2026-04-02T08:00:00"),
        ("202604020815", "2026-04-02T08:15:00"),
        ("20260402081530", "2026-04-02T08:15:30"),
    ],
)
def test_digits_that_are_a_date(digits: str, expected: str):
    for value in (digits, f" {digits} ", int(digits), float(digits), f"{digits}.0"):
        assert epoch_milliseconds(value) == milliseconds(datetime.fromisoformat(f"{expected}+00:00"))


@pytest.mark.parametrize(
    "number",
    [
        *(0, -1, 7, 20261302, 20260230, 19691231, 12345678, 20260402.5, 10**10, 10**11 - 1, 10**13 * 3, 10**16),
        *(10**17 - 1, 10**19 * 2, 10**25, -(10**400), 10**400, -1712010112, 1e300),
    ],
)
def test_numbers_whose_unit_cannot_be_told_are_refused(number: float):
    for value in (number, str(number)):
        with pytest.raises(ValueError):
            epoch_milliseconds(value)


@pytest.mark.parametrize("text", ["1.77236E+12", "1.7E9", "2e9", "1.771234567890E+13"])
def test_a_spreadsheets_exponent_has_lost_digits(text: str):
    with pytest.raises(ValueError, match=r"lost its last digits|unit that can be told"):
        epoch_milliseconds(text)


def test_an_exponent_with_all_its_digits_is_exact():
    assert epoch_milliseconds("1.771234567890E+12") == 1771234567890


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59-05:00", "0001-01-01T00:00:00+14:00"])
def test_no_time_leaves_the_years_that_can_be_written(text: str):
    with pytest.raises(ValueError, match="years 1 to 9999"):
        epoch_milliseconds(text)


@given(MOMENTS)
def test_written_and_read_again(moment: datetime):
    assert epoch_milliseconds(rfc3339(milliseconds(moment))) == milliseconds(moment)
    assert rfc3339(0) == "1970-01-01T00:00:00.000Z"


@given(MOMENTS)
def test_datetimes_are_read_too(moment: datetime):
    assert epoch_milliseconds(moment) == epoch_milliseconds(moment.replace(tzinfo=None)) == milliseconds(moment)


@given(st.integers(100_000_000_000, 1_999_999_999_999))
def test_seconds_with_a_fraction_keep_their_millisecond(value: int):
    assert epoch_milliseconds(value / 1000) == value
    assert epoch_milliseconds(f"{value // 1000}.{value % 1000:03}") == value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-14", "2026-03-14T00:00:00.000"),
        ("2026-03-14T09:26", "2026-03-14T09:26:00.000"),
        ("2026-03-14 09:26:53.589000", "2026-03-14T09:26:53.589"),
        ("2026-03-14T09:26:53Z", "2026-03-14T09:26:53.000"),
        ("2026-03-14t09:26:53.5z", "2026-03-14T09:26:53.500"),
        ("2026-03-14T09:26:53,25Z", "2026-03-14T09:26:53.250"),
        ("2026-03-14 09:26:53 UTC", "2026-03-14T09:26:53.000"),
        ("2026-03-14 11:26:53+02", "2026-03-14T09:26:53.000"),
        ("2026-03-14T11:26:53+0200", "2026-03-14T09:26:53.000"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000"),
        ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999"),
        ("20260314T092653Z", "2026-03-14T09:26:53.000"),
        ("20260314T0926", "2026-03-14T09:26:00.000"),
        ("20260314T112653.5+02:00", "2026-03-14T09:26:53.500"),
        ("1712010112345", "2024-04-01T22:21:52.345"),
        (1712010112.345, "2024-04-01T22:21:52.345"),
    ],
)
def test_what_databases_and_people_write(text, expected: str):
    assert epoch_milliseconds(text) == milliseconds(datetime.fromisoformat(expected + "+00:00"))


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", "yesterday", "2026-13-01", "2026-02-30T00:00:00Z", "2026-03-14T25:00:00Z"),
        *("2026-03-14T09:26:53+99:00", "1_712_010_112", "٣", "1712010112 and more", "nan", "inf", "-", "2026-W11-6"),
        *("0000-01-01", "9" * 5000, float("nan"), float("inf"), True, None, [], {}, b"2026-03-14"),
    ],
)
def test_what_is_no_time_is_said_without_repeating_it(value):
    with pytest.raises(ValueError) as error:
        epoch_milliseconds(value)
    if isinstance(value, str) and value.strip("- "):
        assert value not in str(error.value)


@given(st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.none(), st.binary()))
def test_nothing_else_than_value_error(value):
    with contextlib.suppress(ValueError):
        assert isinstance(epoch_milliseconds(value), int)
