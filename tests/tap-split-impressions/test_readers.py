"""Rows out of every format, and every kind of damage."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from support.receiver import posted
from tap_split_impressions.folder.readers import CsvOptions, DamagedFileError, UnknownFormatError, read
from tap_split_impressions.folder.readers.parquet import BLOCK_ROWS
from tap_split_impressions.impressions.item import Item, NotAnImpression


def rows(name: str, content: bytes, **csv_columns: str) -> list[Item | NotAnImpression]:
    return [row for block in read(name, io.BytesIO(content), CsvOptions(csv_columns)) for row in block]


def keys(name: str, content: bytes, **csv_columns: str) -> list[str]:
    """The keys of the impressions, and the reasons of what is none, in order."""
    return [row.key if isinstance(row, Item) else str(row) for row in rows(name, content, **csv_columns)]


def lines(*values: Any) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


RECEIVED = 1767261605000
EVALUATOR = {
    "impressions": [{"testName": "f", "keyImpressions": [{"keyName": "e", "treatment": "on", "time": 1767261600}]}]
}


def test_json_lines_of_any_shape() -> None:
    content = lines(posted(1), [posted(2), posted(3)], EVALUATOR, {"received": RECEIVED, "batch": [posted(4)]})
    assert keys("any.jsonl", content) == ["user-000001", "user-000002", "user-000003", "e", "user-000004"]
    assert rows("any.ndjson", content)[-1].received == RECEIVED


def test_json_lines_with_bad_lines_keep_their_places() -> None:
    content = lines(posted(1)) + b"{broken\n\n\xff\xfe\n" + lines({"key": "k"}, posted(2)) + b'{"key": "cut'
    expected = [
        "user-000001",
        "not valid JSON",
        "not valid JSON",
        "without split",
        "user-000002",
        "a line cut off at the end of the file",
    ]
    assert keys("bad.jsonl", content) == expected


def test_json_lines_without_a_last_line_feed() -> None:
    assert keys("a.jsonl", lines(posted(1), posted(2))[:-1]) == ["user-000001", "user-000002"]


def test_stored_batches_with_other_payloads_among_them() -> None:
    listener = {"impression": {"feature": "f", "keyName": "j", "treatment": "on", "time": 1767261600123}, "ip": False}
    stored = lines({"received": RECEIVED, "batch": [posted(1)]}).replace(b'": ', b'":')
    content = stored + lines({"received": RECEIVED + 1, "batch": [listener]}).replace(b'": ', b'":')
    assert [(row.key, row.received) for row in rows("s.jsonl", content)] == [
        ("user-000001", RECEIVED),
        ("j", RECEIVED + 1),
    ]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (1767261661044, 1767261661044),
        (1767261661, 1767261661000),
        (1767261661044000000, 1767261661044),
        (-5, None),
        (None, None),
    ],
)
def test_times_of_arrival_in_other_units_or_impossible(given: int | None, expected: int | None) -> None:
    (by_line,) = rows("a.jsonl", lines(posted(1, receptionTimestamp=given)))
    table = pa.Table.from_pylist([exported(1) | {"receptionTimestamp": given}], S3_SCHEMA)
    (by_table,) = rows("a.parquet", as_parquet(table))
    assert by_line.received == by_table.received == expected


@pytest.mark.parametrize("body", [posted(1), [posted(1)], [[posted(1)]]])
@pytest.mark.parametrize("indent", [None, 2])
def test_json_documents(body: Any, indent: int | None) -> None:
    assert keys("a.json", json.dumps(body, indent=indent).encode()) == ["user-000001"]


def test_a_json_document_that_is_lines() -> None:
    assert keys("a.json", lines(posted(1), posted(2), posted(3))) == ["user-000001", "user-000002", "user-000003"]


@pytest.mark.parametrize("content", [b"", b"\n", b"  "])
@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.csv"])
def test_empty_files_hold_nothing(name: str, content: bytes) -> None:
    assert keys(name, content) == []


@pytest.mark.parametrize("size", [10, 500, 1000])
def test_half_a_json_document_is_damaged(size: int) -> None:
    with pytest.raises(DamagedFileError):
        rows("a.json", json.dumps([posted(number) for number in range(20)], indent=1).encode()[:size])


def test_gzip_is_told_by_its_first_bytes() -> None:
    plain = lines(*(posted(number) for number in range(2000)))
    expected = [f"user-{number:06}" for number in range(2000)]
    assert keys("a.jsonl.gz", gzip.compress(plain)) == expected
    assert keys("a.jsonl", gzip.compress(plain)) == expected
    assert keys("a.jsonl.gz", plain) == expected


@pytest.mark.parametrize("damage", [lambda zipped: zipped[:-9], lambda zipped: zipped[: len(zipped) // 2]])
def test_cut_gzip_yields_what_is_whole_and_is_damaged(damage: Any) -> None:
    content = damage(gzip.compress(lines(*(posted(number) for number in range(50_000)))))
    found = []
    with pytest.raises(DamagedFileError):
        for block in read("a", io.BytesIO(content), CsvOptions()):
            found += block
    assert len(found) > 10_000
    assert [row.key for row in found] == [f"user-{number:06}" for number in range(len(found))]


# --- Parquet


S3_SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("bucketingKey", pa.string()),
        ("label", pa.string()),
        ("treatment", pa.string()),
        ("splitName", pa.string()),
        ("splitVersion", pa.int64()),
        ("properties", pa.string()),
        ("environmentId", pa.string()),
        ("trafficTypeId", pa.string()),
        ("sdk", pa.string()),
        ("sdkVersion", pa.string()),
        ("machineName", pa.string()),
        ("machineIp", pa.string()),
        ("timestamp", pa.int64()),
        ("receptionTimestamp", pa.int64()),
    ]
)


def exported(number: int) -> dict[str, Any]:
    """A row of Split's S3 export, the same impression as `posted(number)`."""
    webhook = posted(number)
    return {
        "key": webhook["key"],
        "bucketingKey": None,
        "label": webhook["label"],
        "treatment": webhook["treatment"],
        "splitName": webhook["split"],
        "splitVersion": webhook["splitVersionNumber"],
        "properties": "",
        "environmentId": webhook["environmentId"],
        "trafficTypeId": "tt-user",
        "sdk": webhook["sdk"],
        "sdkVersion": webhook["sdkVersion"],
        "machineName": None,
        "machineIp": None,
        "timestamp": webhook["time"],
        "receptionTimestamp": webhook["time"] + 61_000,
    }


def as_parquet(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    parquet.write_table(table, sink, **options)
    return sink.getvalue()


def export_of(count: int) -> pa.Table:
    return pa.Table.from_pylist([exported(number) for number in range(count)], S3_SCHEMA)


@pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "zstd", "brotli", "lz4"])
@pytest.mark.parametrize("name", ["part-0-1-a-00000-1-c000.parquet", "part-0.parquet.gz", "part-0.snappy.parquet"])
def test_parquet_of_any_codec_and_ending(codec: str, name: str) -> None:
    found = rows(name, as_parquet(export_of(3), compression=codec))
    assert [(row.key, row.split, row.time, row.received) for row in found] == [
        (f"user-{number:06}", "checkout_redesign", 1767261600000 + number, 1767261661000 + number)
        for number in range(3)
    ]


def test_parquet_row_groups_are_read_piece_by_piece() -> None:
    content = as_parquet(export_of(2 * BLOCK_ROWS + 5), row_group_size=BLOCK_ROWS + 1)
    blocks = list(read("a", io.BytesIO(content), CsvOptions()))
    assert max(map(len, blocks)) <= BLOCK_ROWS
    assert [row.key for block in blocks for row in block] == [f"user-{n:06}" for n in range(2 * BLOCK_ROWS + 5)]


def test_parquet_without_the_newer_columns_and_with_others() -> None:
    table = export_of(2).drop_columns(["bucketingKey", "properties", "machineName", "machineIp", "receptionTimestamp"])
    table = table.append_column("extra", pa.array([[1], [2]]))
    assert [(row.bucketing_key, row.received) for row in rows("a.parquet", as_parquet(table))] == [(None, None)] * 2


@pytest.mark.parametrize("column", ["key", "treatment", "splitName", "timestamp"])
def test_parquet_without_a_necessary_column_is_damaged(column: str) -> None:
    with pytest.raises(DamagedFileError, match="has no column for"):
        rows("a.parquet", as_parquet(export_of(2).drop_columns([column])))


def test_parquet_with_other_types() -> None:
    moment = datetime(2026, 1, 1, 10, 0, 0, 123456, tzinfo=UTC)
    table = pa.table(
        {
            "key": pa.array(["a", "b"]).dictionary_encode(),
            "splitName": pa.array(["f", "f"], pa.large_string()),
            "treatment": ["on", "off"],
            "splitVersion": pa.array([17, None], pa.int32()),
            "timestamp": pa.array([moment, moment], pa.timestamp("us", "UTC")),
            "properties": pa.array([{"plan": "gold"}, None]),
        }
    )
    first, second = rows("a.parquet", as_parquet(table))
    assert (first.key, first.version, first.time, first.properties) == ("a", 17, 1767261600123, {"plan": "gold"})
    assert (second.key, second.version, second.properties) == ("b", None, None)


def test_parquet_with_texts_as_bytes_and_times_to_the_nanosecond() -> None:
    table = pa.table(
        {
            "key": pa.array([b"a", b"no utf-8 \xff"], pa.binary()),
            "splitName": pa.array([b"f", b"f"], pa.large_binary()),
            "treatment": [b"on", b"off"],
            "timestamp": pa.array([1767261600123456789] * 2, pa.timestamp("ns")),
            "properties": [b'{"plan":"gold"}', None],
        }
    )
    first, second = rows("a.parquet", as_parquet(table))
    assert (first.key, first.split, first.treatment, first.time) == ("a", "f", "on", 1767261600123)
    assert first.properties == '{"plan":"gold"}'
    assert (second.key, second.properties) == ("no utf-8 \\xff", None)


def test_parquet_with_a_text_that_is_no_utf_8() -> None:
    table = export_of(2)
    broken = pa.Array.from_buffers(pa.string(), 2, pa.array([b"a", b"\xff"], pa.binary()).buffers())
    table = table.set_column(table.column_names.index("label"), "label", broken)
    assert [row.label for row in rows("a.parquet", as_parquet(table))] == ["a", "\\xff"]


def test_parquet_rows_without_a_value_keep_their_places() -> None:
    table = pa.Table.from_pylist([exported(1), exported(2) | {"key": None}, exported(3)], S3_SCHEMA)
    assert keys("a.parquet", as_parquet(table)) == ["user-000001", "without key", "user-000003"]


@pytest.mark.parametrize(
    "content", [b"", b"PAR1", as_parquet(export_of(50))[:-20], as_parquet(export_of(50))[:600], b"x" * 99]
)
def test_damaged_parquet(content: bytes) -> None:
    with pytest.raises(DamagedFileError, match="cut off, damaged or"):
        rows("a.parquet", content)


def test_parquet_with_damaged_data_pages() -> None:
    content = bytearray(as_parquet(export_of(5000), compression="gzip"))
    content[200:260] = bytes(60)
    with pytest.raises(DamagedFileError):
        rows("a.parquet", bytes(content))


def test_parquet_inside_gzip() -> None:
    assert keys("a.parquet.gz", gzip.compress(as_parquet(export_of(2)))) == ["user-000000", "user-000001"]


# --- CSV


HEADER = (
    "Key,Feature flag name,Treatment,Timestamp,Label,Environment ID,Environment name,Traffic type name,Bucketing key"
)
LINE = 'user-1,checkout,on,1767261600123,"in segment ""a, b""",env-prod,Production,user,'


def test_csv_is_guessed_from_usual_headers() -> None:
    (row,) = rows("export.csv", f"{HEADER}\n{LINE}\n".encode())
    assert row == Item(
        key="user-1",
        split="checkout",
        treatment="on",
        time=1767261600123,
        label='in segment "a, b"',
        environment_id="env-prod",
        environment_name="Production",
        traffic_type="user",
    )


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_csv_of_any_delimiter_line_end_and_byte_order_mark(delimiter: str, line_end: str, mark: bytes) -> None:
    cells = [["key", "split", "treatment", "time"], ["k,;\t|", "f", "on", "2026-01-01 10:00:00.123"]]
    text = line_end.join(delimiter.join(f'"{cell}"' for cell in line) for line in cells)
    (row,) = rows("export.csv", mark + text.encode())
    assert (row.key, row.time) == ("k,;\t|", 1767261600123)


def test_csv_cells_over_several_lines() -> None:
    (row,) = rows("a.csv", b'key,split,treatment,time,properties\nk,f,on,1767261600,"{""note"":\n""x""}"\n')
    assert row.properties == '{"note":\n"x"}'


def test_csv_columns_by_setting() -> None:
    content = b"Who,What,Answer,When,time\nk,f,on,1767261600123,\n"
    (row,) = rows("a.csv", content, key="Who", split="what", treatment="Answer ", time="When")
    assert (row.key, row.split, row.treatment, row.time) == ("k", "f", "on", 1767261600123)


def test_csv_without_a_necessary_column_says_what_it_has() -> None:
    with pytest.raises(
        DamagedFileError, match=r"no column for treatment .*csv_columns.* it has: Key, Flag, When, Time"
    ):
        rows("a.csv", b"Key,Flag,When,Time\nk,f,x,1\n")


def test_csv_rows_that_are_no_impressions_keep_their_places() -> None:
    content = b"key,split,treatment,time\na,f,on,1767261600\n,f,on,1767261600\nb,f\nc,f,on,soon\n\nd,f,on,1767261600\n"
    expected = [
        "a",
        "without key",
        "more or fewer cells than the header",
        "time: a text that is neither RFC 3339 nor a number",
        "d",
    ]
    assert keys("a.csv", content) == expected


def test_csv_of_many_rows_in_gzip() -> None:
    content = "key,split,treatment,time\n" + "".join(f"user-{n:06},f,on,{1767261600000 + n}\n" for n in range(5000))
    assert keys("a.csv.gz", gzip.compress(content.encode())) == [f"user-{n:06}" for n in range(5000)]


def test_csv_in_another_encoding_is_named_and_read_once_the_setting_says_so() -> None:
    content = b"key,split,treatment,time\nJos\xe9,f,on,1767261600\n"
    with pytest.raises(DamagedFileError, match="'csv_encoding'"):
        rows("a.csv", content)
    (row,) = next(read("a.csv", io.BytesIO(content), CsvOptions(encoding="latin-1")))
    assert row.key == "José"


ZSTD = b"\x28\xb5\x2f\xfd\x04\x00\x09\x00\x00\x7b\x7d\x0a"


@pytest.mark.parametrize(
    ("method", "content"),
    [
        ("xz", lzma.compress(lines(posted(1)))),
        ("bzip2", bz2.compress(lines(posted(1)))),
        ("bzip2", bz2.compress(b"")),
        ("zstd", ZSTD),
        ("zip", b"PK\x03\x04\x14\x00"),
    ],
)
@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("a.jsonl.x", DamagedFileError),
        ("a.csv", DamagedFileError),
        ("a.parquet", DamagedFileError),
        ("a", UnknownFormatError),
    ],
)
def test_other_compressions_are_named(method: str, content: bytes, name: str, error: type[Exception]) -> None:
    with pytest.raises(error, match=f"^is compressed with {method}; only gzip is read$"):
        rows(name, content)


def test_text_that_begins_like_a_compression_is_text() -> None:
    assert keys("a.csv", b"BZh1,key,split,treatment,time\n,k,f,on,1767261600\n") == ["k"]


@given(st.binary(max_size=300), st.sampled_from(["a.jsonl", "a.json", "a.csv", "a.parquet", "a.jsonl.gz", "a"]))
def test_no_content_ends_in_anything_but_rows_or_damage(content: bytes, name: str) -> None:
    for variant in (content, gzip.compress(content), bz2.compress(content)):
        try:
            found = rows(name, variant)
        except (DamagedFileError, UnknownFormatError):
            continue
        assert all(isinstance(row, (Item, NotAnImpression)) for row in found)
