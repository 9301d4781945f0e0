"""Reading from real pipes: whole lines, cut lines, silence, the end, and the order to stop."""

from __future__ import annotations

import gzip
import io
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_amplitude.common.errors import ConnectorError
from target_amplitude.common.target import reader as reader_module
from target_amplitude.common.target.decoding import BLOCK_BYTES, batch_blocks, decode_line
from target_amplitude.common.target.delivery import BatchLine, MessageLine
from target_amplitude.common.target.reader import blocks


class Pipe:
    """A pipe: what a tap writes, and the lines that come out."""

    def __init__(self) -> None:
        source, self.end = os.pipe()
        self.source = os.fdopen(source, "rb")
        self.stopping = threading.Event()
        self.ticked = threading.Semaphore(0)
        self.blocks: list[bytes] = []
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        self.blocks.extend(blocks(self.source, self.stopping, self.ticked.release))

    def write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self.end, data) :]

    def close(self) -> list[bytes]:
        os.close(self.end)
        self.thread.join(20)
        self.source.close()
        return self.blocks


def line(number: int, **more: Any) -> bytes:
    return json.dumps({"type": "A", "number": number, **more}).encode() + b"\n"


@given(st.lists(st.integers(0, 400), max_size=30), st.randoms(use_true_random=False), st.booleans())
def test_lines_come_whole_however_they_are_cut(sizes: list[int], chance, ends_with_newline: bool):
    data = b"\n".join(line(number, text="é" * size).strip() for number, size in enumerate(sizes))
    data += b"\n" if ends_with_newline and data else b""
    cuts = sorted(chance.sample(range(len(data)), k=chance.randrange(min(40, len(data) + 1))))
    pipe = Pipe()
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        pipe.write(data[start:end])
    came = pipe.close()
    assert b"".join(came) == data
    assert all(block.endswith(b"\n") for block in came[:-1])


def test_a_line_longer_than_many_reads():
    pipe = Pipe()
    long, short = line(1, text="x" * 5_000_000), line(2)
    pipe.write(long + short)
    assert b"".join(pipe.close()) == long + short


def test_silence_is_no_end_and_time_goes_on(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reader_module, "IDLE_SECONDS", 0.01)
    pipe = Pipe()
    pipe.write(line(1)[:5])
    for _ in range(5):
        assert pipe.ticked.acquire(timeout=10)  # though nothing comes
    pipe.write(line(1)[5:])
    assert pipe.close() == [line(1)]


def test_the_order_to_stop_ends_reading_without_the_cut_line(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reader_module, "IDLE_SECONDS", 0.01)
    pipe = Pipe()
    pipe.write(line(1) + line(2)[:8])
    assert pipe.ticked.acquire(timeout=10)
    pipe.stopping.set()
    pipe.thread.join(10)  # the pipe is still open
    assert not pipe.thread.is_alive()
    assert pipe.close() == [line(1)]


def test_text_in_memory_is_read_as_well():
    text = '{"type": "A"}\n{"type": "A"}'
    assert b"".join(blocks(io.StringIO(text), threading.Event(), lambda: None)) == text.encode()


@given(st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=8))
def test_what_pythons_own_writer_writes_is_read(value: Any):
    assert decode_line(json.dumps({"v": value}).encode(), 1) == {"v": value}


def test_beyond_json():
    """NaN, Infinity and lone surrogates, which many a tap writes."""
    decoded = decode_line(b'{"a": -Infinity, "b": "\\ud800", "c": 123456789012345678901234567890}', 1)
    assert decoded == {"a": None, "b": "\ufffd", "c": 123456789012345678901234567890}


# Pieces of a line that are whole, escaped, or halves of what belongs together.
PIECES = st.sampled_from(
    ["a", '\\"', "\\\\", "NaN", ": NaN,", "Infinity", "\\ud83d\\ude00", "\\ud83d", "\\ude00", "\\n", "é", "u"]
)


@given(st.lists(st.lists(PIECES, max_size=6).map("".join) | st.sampled_from([None, 1.5]), min_size=1, max_size=6))
def test_a_repair_costs_the_wrong_values_alone(texts: list[Any]):
    members = [
        f'"{n}": ' + ("NaN" if text is None else str(text) if text == 1.5 else f'"{text}"')
        for n, text in enumerate(texts)
    ]
    line = ("{" + ", ".join(members) + "}").encode()
    expected = {
        name: value.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if isinstance(value, str) else value
        for name, value in json.loads(line, parse_constant=lambda _: None).items()
    }
    assert decode_line(line, 1) == expected


@pytest.mark.parametrize("compressed", [False, True])
def test_batch_files(compressed: bool, tmp_path: Path):
    lines = b"".join(line(number) for number in range(20_000)).removesuffix(b"\n")
    path = tmp_path / "batch.jsonl"
    path.write_bytes(gzip.compress(lines) if compressed else lines)
    *blocks, last = batch_blocks("s", path.as_uri(), is_packed=True)
    assert b"".join((*blocks, last)) == lines
    assert len(blocks) == len(lines) // BLOCK_BYTES > 2
    assert [block for block in blocks if not block.endswith(b"\n")] == []


@pytest.mark.parametrize("content", [None, gzip.compress(b"x" * 1000, mtime=0)[:-20]], ids=["missing", "cut"])
def test_a_batch_file_that_cannot_be_read(content: bytes | None, tmp_path: Path):
    path = tmp_path / "batch.jsonl.gz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConnectorError, match="Stream 's'"):
        list(batch_blocks("s", path.as_uri(), is_packed=True))


def test_a_record_is_found_again_where_it_came_from():
    records = [{"id": n, "text": "é\n" * n} for n in range(5)]
    messages = [json.dumps({"type": "RECORD", "stream": "s", "record": record}).encode() for record in records]
    assert [MessageLine("s", b"\n".join(messages), n).record() for n in range(5)] == records
    lines = b"\n".join(json.dumps(record).encode() for record in records)
    assert [BatchLine("s", lines, n).record() for n in range(5)] == records
    messages = BatchLine("s", lines, 0).messages()
    assert [MessageLine("s", messages, n).record() for n in range(5)] == records
