"""Files of the kinds that people really have: `tests/samples/impressions`, each named after what it shows."""

from __future__ import annotations

import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from support.processes import Workplace
from support.receiver import Run
from tap_split_impressions.folder.readers import CsvOptions, DamagedFileError, UnknownFormatError, read

SAMPLES = Path(__file__).parent.parent / "samples" / "impressions"
DAMAGED = {"csv-unclosed-quote.csv": "not valid CSV", "csv-latin-1.csv": "'csv_encoding'"}
REASONS = {
    "csv-ragged-rows.csv": ["more or fewer cells than the header"],
    "csv-excel-times-without-their-last-digits.csv": [
        "time: a number in scientific notation that has lost its last digits"
    ]
    * 2,
    "csv-excel-keys-without-their-last-digits.csv": ["a key in scientific notation that has lost its last digits"] * 2,
}
NO_USUAL_USERS = ("csv-excel-times-without-their-last-digits.csv", "json-keys-with-a-fraction.json")
READ = sorted(path.name for path in SAMPLES.iterdir() if path.name not in DAMAGED)


def rows_of(content: bytes, name: str = "a", **options: Any) -> list[Any]:
    return [row for block in read(name, io.BytesIO(content), CsvOptions(**options)) for row in block]


@pytest.mark.parametrize("name", READ)
def test_what_is_plain_is_read_and_costs_at_most_the_wrong_value(name: str) -> None:
    rows = rows_of((SAMPLES / name).read_bytes(), name)
    good = [row for row in rows if not isinstance(row, ValueError)]
    assert [str(row) for row in rows if isinstance(row, ValueError)] == REASONS.get(name, [])
    if name not in NO_USUAL_USERS:
        assert [(row.key, row.split, row.time) for row in good] == [
            ("user-1", "checkout", 1767261600001),
            ("user-2", "checkout", 1767261600002),
        ]


@pytest.mark.parametrize(("name", "why"), DAMAGED.items())
def test_what_is_damaged_is_named(name: str, why: str) -> None:
    with pytest.raises(DamagedFileError, match=why):
        rows_of((SAMPLES / name).read_bytes(), name)


def test_absent_values_versions_and_twins() -> None:
    first, second = rows_of((SAMPLES / "csv-null-and-backslash-n.csv").read_bytes())
    assert (first.bucketing_key, first.label, second.bucketing_key, second.label) == (None,) * 4
    versions = rows_of((SAMPLES / "csv-version-with-a-fraction.csv").read_bytes())
    assert [row.version for row in versions] == [1775000000001] * 2
    latin = rows_of((SAMPLES / "csv-latin-1.csv").read_bytes(), encoding="latin-1")
    assert [row.key for row in latin] == ["José", "Josè"]
    labels = rows_of((SAMPLES / "json-text-that-looks-like-a-separator.json").read_bytes())
    assert [row.label for row in labels] == ["}{ },{"] * 2


def test_listeners_of_all_sdks_tell_the_same() -> None:
    seen = {}
    for name in ("listener-of-go.jsonl", "listener-of-ruby.json", "listener-of-python.json"):
        for row in rows_of((SAMPLES / name).read_bytes()):
            assert (row.label, row.version, row.attributes) == ("default rule", 1775000000001, {"plan": "gold"})
            seen[row.sdk_version] = (row.machine_name, row.machine_ip)
    assert seen == {
        "go-6.7.0": ("web-1", None),
        "ruby-8.7.0": ("web-1", "10.0.0.1"),
        "python-10.7.0": ("web-1", None),
    }


def test_numbers_as_keys_have_one_form() -> None:
    (row,) = rows_of((SAMPLES / "json-keys-with-a-fraction.json").read_bytes())
    assert (row.key, row.treatment, row.bucketing_key) == ("12345", "1", "7")


@pytest.mark.parametrize("version", ["9223372036854775808", "1.5", '"none"'])
def test_a_version_that_is_not_an_integer_of_64_bits_is_none(version: str) -> None:
    line = '{"key":"user-1","split":"checkout","treatment":"on","time":1767261600001,"splitVersionNumber":%s}'
    assert [row.version for row in rows_of((line % version).encode())] == [None]


def test_a_broken_value_in_properties_costs_only_itself(folder: Path, run: Run) -> None:
    (folder / "a.jsonl").write_bytes((SAMPLES / "json-nan-in-properties.jsonl").read_bytes())
    assert [row["properties"] for row in run().records("impressions")] == [{"price": None, "plan": "gold"}] * 2


# --- Parquet of warehouses


def as_parquet(**columns: Any) -> bytes:
    fields = {
        "key": pa.array(["user-1", "user-2"]),
        "splitName": pa.array(["checkout", "checkout"]),
        "treatment": pa.array(["on", "on"]),
        "timestamp": pa.array([1767261600001, 1767261600002]),
    } | columns
    sink = io.BytesIO()
    parquet.write_table(pa.table(list(fields.values()), names=list(fields)), sink)
    return sink.getvalue()


def moments(kind: pa.DataType) -> pa.Array:
    return pa.array([Decimal(1767261600001), Decimal(1767261600002)], kind)


MAP = pa.map_(pa.string(), pa.string())
NESTED = pa.struct([("plan", pa.string()), ("at", pa.timestamp("ns"))])


@pytest.mark.parametrize(
    "columns",
    [
        {"timestamp": moments(pa.decimal128(38, 0))},
        {"timestamp": moments(pa.decimal128(20, 4))},
        {"timestamp": pa.array([1767261600001, 1767261600002], pa.timestamp("ms", "UTC"))},
        {"timestamp": pa.array([1767261600001000000, 1767261600002000000], pa.timestamp("ns"))},
        {"key": pa.array([b"user-1", b"user-2"], pa.binary(6))},
        {"key": pa.array([b"user-1", b"user-2"]).dictionary_encode()},
        {"key": pa.array([None, "user-2"], pa.string()), "Key": pa.array(["user-1", "other"])},
        {"timestamp": pa.array([1767261600001.0, 1767261600002.0])},
        {"properties": pa.array([[("plan", "gold")], None], MAP)},
        {"properties": pa.array([{"plan": "gold", "at": 1767261600001000000}, None], NESTED)},
    ],
    ids=["decimal", "decimal-scale", "zone", "nanoseconds", "fixed", "dictionary", "twins", "double", "map", "nested"],
)
def test_parquet_of_warehouses(columns: dict[str, Any]) -> None:
    rows = rows_of(as_parquet(**columns))
    assert [(row.key, row.time) for row in rows] == [("user-1", 1767261600001), ("user-2", 1767261600002)]
    if "properties" in columns:
        assert (rows[0].properties["plan"], rows[1].properties) == ("gold", None)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (pa.array([12345.0, 7.0]), ["12345", "7"]),
        (pa.array([12345.0, 7.0], pa.float32()), ["12345", "7"]),
        (pa.array([Decimal("12345.00"), Decimal("6.50")], pa.decimal128(38, 2)), ["12345", "6.50"]),
        (pa.array([Decimal(10**30 + 1), Decimal(2**53 + 1)], pa.decimal128(38, 0)), [str(10**30 + 1), str(2**53 + 1)]),
        (pa.array([float("nan"), 7.0]), ["a key, flag or treatment is not a text", "7"]),
        (pa.array([None, 7.0]), ["without key", "7"]),
        (pa.array([1e16, 7.0]), ["a key, flag or treatment is a number too large to be exact", "7"]),
        (
            pa.array([2.0**24 + 2, 7.0], pa.float32()),
            ["a key, flag or treatment is a number too large to be exact", "7"],
        ),
    ],
    ids=["double", "float", "decimals", "large-decimals", "nan", "null", "inexact-double", "inexact-float"],
)
def test_parquet_keys_that_are_numbers_never_merge_users(keys: pa.Array, expected: list[str]) -> None:
    rows = rows_of(as_parquet(key=keys))
    assert [str(row) if isinstance(row, ValueError) else row.key for row in rows] == expected


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (pa.array([253402300799000, 0], pa.timestamp("ms")), [253402300799000, 0]),
        (pa.array([-1, 999_999_999_999], pa.timestamp("ms")), [-1, 999_999_999_999]),
        (pa.array([2**62, 1767261600001000], pa.timestamp("us")), ["time: a text that is neither", 1767261600001]),
        (pa.array([1767261600001.0, 1767261600002.0], pa.float32()), ["time: not a finite number"] * 2),
    ],
    ids=["year-9999", "before-2001", "beyond-9999", "inexact"],
)
def test_parquet_times_are_never_other_years(moment: pa.Array, expected: list[Any]) -> None:
    rows = rows_of(as_parquet(timestamp=moment))
    assert len(rows) == len(expected)
    for row, right in zip(rows, expected, strict=True):
        assert str(row).startswith(right) if isinstance(row, ValueError) else row.time == right


def test_parquet_nan_is_no_label_and_a_version_beyond_64_bits_none() -> None:
    labels = pa.array([float("nan"), 1.5])
    versions = pa.array([Decimal(10**30), Decimal(5)], pa.decimal128(38, 0))
    rows = rows_of(as_parquet(label=labels, splitVersion=versions))
    assert [(row.label, row.version) for row in rows] == [(None, None), ("1.5", 5)]


# --- what lies beside the data


def test_companions_are_ignored_formats_told_by_content_and_the_rest_named_once(
    folder: Path, workplace: Workplace
) -> None:
    lines = (SAMPLES / "json-lines-rotated.jsonl.1").read_bytes()
    for name in ("a.crc", "a.jsonl.md5", "a.tmp", "_SUCCESS", ".hidden", "b.log"):
        (folder / name).write_bytes(lines)
    (folder / "a.jsonl.1").write_bytes(lines)
    (folder / "export.pq").write_bytes(as_parquet(key=pa.array(["user-3", "user-4"])))
    (folder / "notes.txt").write_text("a text that somebody left here\n")
    config = {"path": str(folder), "settle_seconds": 0, "ignore": ["*.log"]}
    first = workplace.run("tap-split-impressions", config)
    assert (first.code, len(first.records("impressions"))) == (0, 4)
    assert first.stderr.count("notes.txt is neither Parquet, JSON nor CSV") == 1
    again = workplace.run("tap-split-impressions", config, state=first.state)
    assert (again.code, again.records("impressions")) == (0, [])
    assert "notes.txt" not in again.stderr


def test_a_file_whose_rows_are_all_unreadable_stays_unread(folder: Path, workplace: Workplace) -> None:
    sample = SAMPLES / "csv-excel-times-without-their-last-digits.csv"
    (folder / sample.name).write_bytes(sample.read_bytes())
    config = {"path": str(folder), "settle_seconds": 0}
    for state in (None, {}):
        result = workplace.run("tap-split-impressions", config, state=state)
        assert result.code == 1
        assert f"{sample.name} holds no impression that can be read. It stays unread." in result.stderr
    assert workplace.run("tap-split-impressions", config, state=result.state).code == 1


def test_content_in_no_known_format_is_told() -> None:
    with pytest.raises(UnknownFormatError):
        rows_of(b"PK\x03\x04 a zip archive")


def test_settings_that_let_nothing_through_warn_and_list_what_there_was(folder: Path, run: Run) -> None:
    (folder / "a.jsonl").write_text(
        '{"key":"user-1","split":"checkout","treatment":"on","time":1767261600001,'
        '"environmentName":"Production","environmentId":"env-prod"}\n'
    )
    result = run(environments=["Prodution"])
    assert "The settings let nothing through: 1 impression was skipped (1 by environment)" in result.stderr
    assert "environments: Production (env-prod)" in result.stderr
    assert "let nothing through" not in run(environments=["Production"]).stderr


def test_an_environment_without_a_known_name_is_listed_by_its_id(folder: Path, run: Run) -> None:
    (folder / "a.jsonl").write_text(
        '{"key":"user-1","split":"checkout","treatment":"on","time":1767261600001,"environmentId":"env-prod"}\n'
    )
    assert "environments: env-prod; flags: checkout." in run(environments=["Production"]).stderr
