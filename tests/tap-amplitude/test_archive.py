"""Archives: whole or refused, read in order, never larger in memory than a row."""

from __future__ import annotations

import gzip
import io
import tracemalloc
import zipfile
import zlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zlib_ng import zlib_ng

from support.exports import archive_of, entry_name, export_row, lines_of, rows_over, zip_of
from tap_amplitude.common import compression as packing
from tap_amplitude.common.compression import DAMAGE
from tap_amplitude.export.archive import Archive, DamagedArchiveError, hour_of_entry
from tap_amplitude.export.lines import BLOCK_BYTES, MAX_ROW_BYTES, decompressed, whole_lines
from tap_amplitude.export.windows import HOUR, Window

DAY = datetime(2026, 3, 14, tzinfo=UTC)
WINDOW = Window(DAY, DAY + 24 * HOUR)


def read(body: bytes, window: Window = WINDOW) -> dict[datetime, bytes]:
    """Verify an archive and return what each hour holds, in order."""
    archive = Archive(io.BytesIO(body), window)
    archive.verify()
    return {hour: b"".join(blocks) for hour, blocks in archive.hours()}


def damage_of(body: bytes) -> str:
    with pytest.raises(DamagedArchiveError) as caught:
        read(body)
    return str(caught.value)


def test_hours_come_in_order_of_time_not_of_name() -> None:
    rows = {hour: [export_row(hour * 10 + part) for part in range(3)] for hour in (10, 9, 2)}
    body = archive_of({entry_name(hour, part=417 * n): [row] for hour in rows for n, row in enumerate(rows[hour])})
    hours = read(body)
    assert list(hours) == [DAY + hour * HOUR for hour in (2, 9, 10)]
    assert hours[DAY + 9 * HOUR] == lines_of(rows[9])


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_cut_at_any_place_is_seen(compression: int) -> None:
    body = zip_of({entry_name(): gzip.compress(lines_of(rows_over(1, 20)))}, compression)
    for length in range(0, len(body), 37):
        damage_of(body[:length])


def test_a_flipped_byte_in_an_entry_is_seen() -> None:
    body = bytearray(archive_of({entry_name(9): rows_over(1, 50), entry_name(10): rows_over(1, 50)}))
    middle = len(body) // 4
    body[middle] ^= 0xFF
    assert "cannot be read" in damage_of(bytes(body))


@pytest.mark.parametrize(
    "content",
    [
        b"neither gzip nor JSON",
        gzip.compress(lines_of(rows_over(1, 50)), mtime=0)[:-9],
        gzip.compress(lines_of(rows_over(1, 50)), mtime=0)[:-8] + b"\0\0\0\0\0\0\0\0",
        gzip.compress(b"row\n", mtime=0) + b"tail that is no member",
    ],
)
def test_an_entry_that_is_no_whole_gzip_is_seen(content: bytes) -> None:
    assert entry_name(9) in damage_of(zip_of({entry_name(9): content}))


@pytest.mark.parametrize("body", [b"", b"<html><body>Too many requests</body></html>", b"PK\x03\x04", b"\x00" * 5000])
def test_what_is_no_zip_is_refused(body: bytes) -> None:
    assert "not a zip archive" in damage_of(body)


def test_a_refused_page_is_quoted() -> None:
    assert "Too many requests" in damage_of(b"<html><body>Too many requests</body></html>")


def test_names_never_lead_out_of_the_archive() -> None:
    rows = rows_over(1, 2)
    hours = read(archive_of({"../../etc/100042_2026-03-14_9#0.json.gz": rows, "/abs/../x": rows}))
    assert list(hours) == [DAY + 9 * HOUR, DAY + 23 * HOUR]
    assert set(hours.values()) == {lines_of(rows)}


def test_empty_entries_and_folders_are_nothing() -> None:
    assert read(zip_of({"100042/": b"", "100042/complete": b"", entry_name(9): gzip.compress(b"")})) == {
        DAY + 9 * HOUR: b""
    }
    assert read(zip_of({})) == {}


def test_an_entry_that_is_not_gzipped_is_read() -> None:
    rows = lines_of(rows_over(1, 200))
    assert read(zip_of({entry_name(9): rows, entry_name(10).removesuffix(".gz"): b"\xef\xbb\xbf" + rows})) == {
        DAY + 9 * HOUR: rows,
        DAY + 10 * HOUR: b"\xef\xbb\xbf" + rows,
    }


def test_entries_that_hold_no_rows_are_left_out_and_named() -> None:
    rows = rows_over(1, 2)
    foreign = {
        f"__MACOSX/{entry_name(9)}": b"\0\5\x16\7",
        "100042/._100042_2026-03-14_9#0.json.gz": b"\0\5\x16\7",
        "100042/.DS_Store": b"\0\0\0\1Bud1",
        "README.txt": b"Exported on 2026-03-14",
    }
    archive = Archive(io.BytesIO(zip_of({entry_name(9): gzip.compress(lines_of(rows))} | foreign)), WINDOW)
    archive.verify()
    assert [hour for hour, _ in archive.hours()] == [DAY + 9 * HOUR]
    assert archive.foreign == list(foreign)


def test_several_gzip_members_are_one_file() -> None:
    content = gzip.compress(b"a\n") + gzip.compress(b"b\n") + b"\0\0"
    assert read(zip_of({entry_name(9): content})) == {DAY + 9 * HOUR: b"a\nb\n"}


@pytest.mark.parametrize("library", [zlib, zlib_ng])
@given(members=st.lists(st.binary(max_size=100_000), min_size=1, max_size=4), level=st.integers(0, 9))
def test_both_libraries_unpack_the_same_and_see_every_cut(library: Any, members: list[bytes], level: int) -> None:
    packed = b"".join(gzip.compress(member, level) for member in members)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "library", library)
        assert b"".join(decompressed(io.BytesIO(packed))) == b"".join(members)
        for cut in {len(packed) - 1, len(packed) - 8, len(packed) - len(gzip.compress(members[-1], level)) + 1}:
            with pytest.raises(DAMAGE):
                list(decompressed(io.BytesIO(packed[:cut])))
        pack = packing.compressor()
        assert gzip.decompress(pack.compress(members[0]) + pack.flush()) == members[0]


@pytest.mark.parametrize(
    ("name", "hour"),
    [
        ("1/1_2026-03-14_9#417.json.gz", 9),
        ("1/1_2026-03-14_09#0.json.gz", 9),
        ("1/1_2026-03-14_23#0.json.gz", 23),
        ("1/1_2026-03-14#0.json.gz", 0),
        ("1/1_2026-03-13_9#0.json.gz", 0),
        ("1/1_2026-03-15_9#0.json.gz", 23),
        ("1/1_2026-02-31_9#0.json.gz", 23),
        ("strange", 23),
    ],
)
def test_every_entry_belongs_to_an_hour_of_its_window(name: str, hour: int) -> None:
    assert hour_of_entry(name, WINDOW) == DAY + timedelta(hours=hour)


@given(st.lists(st.binary(max_size=40), max_size=20), st.integers(1, 12))
def test_blocks_are_the_same_lines_however_they_come(lines: list[bytes], size: int) -> None:
    lines = [line.replace(b"\n", b"") for line in lines]
    text = b"".join(line + b"\n" for line in lines)
    blocks = list(whole_lines(text[start : start + size] for start in range(0, len(text), size)))
    assert b"".join(blocks) == text
    assert all(block.endswith(b"\n") for block in blocks)


def test_the_last_line_needs_no_line_feed() -> None:
    assert list(whole_lines([b"a\nb", b"c"])) == [b"a\n", b"bc"]


def endless_line(megabytes: int) -> Iterable[bytes]:
    yield b"first\n"
    for _ in range(megabytes):
        yield b"0" * (1 << 20)
    yield b"tail\nlast\n"


def test_a_line_too_long_for_a_row_is_cut_and_the_next_one_read() -> None:
    first, cut = whole_lines(endless_line((MAX_ROW_BYTES >> 20) + 2))
    assert first == b"first\n"
    long, last, empty = cut.split(b"\n")
    assert long == b"0" * (1 << 20)
    assert (last, empty) == (b"last", b"")


def test_a_bomb_fills_no_memory() -> None:
    bomb = gzip.compress(b"0" * (200 << 20), 9)
    archive = Archive(io.BytesIO(zip_of({entry_name(9): bomb}, zipfile.ZIP_DEFLATED)), WINDOW)
    tracemalloc.start()
    archive.verify()
    for _, blocks in archive.hours():
        for _ in blocks:
            pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * MAX_ROW_BYTES


@pytest.mark.parametrize("library", [zlib, zlib_ng])
def test_pieces_are_of_bounded_size(library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "library", library)
    assert max(map(len, decompressed(io.BytesIO(gzip.compress(bytes(10 << 20)))))) <= BLOCK_BYTES


def test_a_row_of_five_megabytes_comes_whole() -> None:
    row = export_row(1, event_properties={"long": "x" * 5_000_000})
    assert read(archive_of({entry_name(9): [row]})) == {DAY + 9 * HOUR: lines_of([row])}
