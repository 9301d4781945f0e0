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
from target_amplitude.common.target.reader import LineReader, batch_lines, decode_line


class Pipe:
    """A pipe: what a tap writes, and what the reader makes of it."""

    def __init__(self) -> None:
        source, self.end = os.pipe()
        self.source = os.fdopen(source, "rb")
        self.reader = LineReader()
        self.reader.stopping = threading.Event()
        self.ticked = threading.Semaphore(0)
        self.reader.tick = self.ticked.release
        self.got: list[dict[str, Any]] = []
        self.error: Exception | None = None
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        try:
            self.reader.process_lines(self.source, dict.fromkeys(("A", "B"), self.got.append))
        except ConnectorError as error:
            self.error = error

    def write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self.end, data) :]

    def close(self) -> list[dict[str, Any]]:
        os.close(self.end)
        self.thread.join(20)
        self.source.close()
        return self.got


def line(number: int, **more: Any) -> bytes:
    return json.dumps({"type": "A", "number": number, **more}).encode() + b"\n"


@given(st.lists(st.integers(0, 400), max_size=30), st.randoms(use_true_random=False), st.booleans())
def test_lines_come_whole_however_they_are_cut(sizes: list[int], chance, ends_with_newline: bool):
    messages = [{"type": chance.choice("AB"), "text": "é" * size} for size in sizes]
    data = b"\n".join(json.dumps(m, ensure_ascii=False).encode() for m in messages)
    data += b"\n" if ends_with_newline else b""
    cuts = sorted(chance.sample(range(len(data)), k=chance.randrange(min(40, len(data) + 1))))
    pipe = Pipe()
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        pipe.write(data[start:end])
    assert pipe.close() == messages


def test_empty_lines_are_nothing():
    pipe = Pipe()
    pipe.write(b"\n  \r\n" + line(1) + b"\n\n" + line(2).strip() + b"\r\n")
    assert [message["number"] for message in pipe.close()] == [1, 2]


def test_a_line_longer_than_many_reads():
    pipe = Pipe()
    pipe.write(line(1, text="x" * 5_000_000) + line(2))
    got = pipe.close()
    assert [len(message.get("text", "")) for message in got] == [5_000_000, 0]


def test_silence_is_no_end_and_time_goes_on(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reader_module, "IDLE_SECONDS", 0.01)
    pipe = Pipe()
    pipe.write(line(1)[:5])
    for _ in range(5):
        assert pipe.ticked.acquire(timeout=10)  # though nothing comes
    pipe.write(line(1)[5:])
    assert [message["number"] for message in pipe.close()] == [1]


def test_the_order_to_stop_ends_reading_without_the_cut_line(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reader_module, "IDLE_SECONDS", 0.01)
    pipe = Pipe()
    pipe.write(line(1) + line(2)[:8])
    while not pipe.got:
        pipe.ticked.acquire(timeout=10)
    pipe.reader.stopping.set()
    pipe.thread.join(10)  # the pipe is still open
    assert not pipe.thread.is_alive()
    pipe.close()
    assert [message["number"] for message in pipe.got] == [1]


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (b'{"type": "A", "record": {"email": "x@example.com"', "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b'["A"]', "not a Singer message"),
        (b'{"type": "C"}', "'type' is unknown"),
        (b'{"stream": "x"}', "'type' is unknown"),
        (b'{"type": ["A"]}', "'type' is unknown"),
        (b"[" * 200_000 + b"]" * 200_000, "nested too deeply"),
    ],
)
def test_a_bad_line_is_named_by_its_number_and_not_repeated(bad: bytes, said: str):
    pipe = Pipe()
    pipe.write(line(1) + bad + b"\n")
    pipe.close()
    assert said in str(pipe.error)
    assert "Line 2 " in str(pipe.error)
    assert "example.com" not in str(pipe.error)


def test_a_tap_cut_in_mid_line_is_an_error():
    pipe = Pipe()
    pipe.write(line(1) + line(2)[:-4])
    pipe.close()
    assert "Line 2 " in str(pipe.error)
    assert len(pipe.got) == 1


def test_text_in_memory_is_read_as_well():
    reader = LineReader()
    got: list[dict[str, Any]] = []
    counts = reader.process_lines(io.StringIO('{"type": "A"}\n{"type": "A"}'), {"A": got.append})
    assert counts == {"A": 2}


@given(st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=8))
def test_what_pythons_own_writer_writes_is_read(value: Any):
    assert decode_line(json.dumps({"v": value}).encode(), 1) == {"v": value}


def test_beyond_json():
    """NaN, Infinity and lone surrogates, which many a tap writes."""
    decoded = decode_line(b'{"a": Infinity, "b": "\\ud800", "c": 123456789012345678901234567890}', 1)
    assert decoded == {"a": float("inf"), "b": "\ud800", "c": 123456789012345678901234567890}
    assert decode_line(b'{"a": NaN}', 1)["a"] != 0


@pytest.mark.parametrize("compressed", [False, True])
def test_batch_files(compressed: bool, tmp_path: Path):
    lines = b"".join(line(number) for number in range(1000))
    path = tmp_path / "batch.jsonl"
    path.write_bytes(gzip.compress(lines) if compressed else lines)
    assert b"".join(batch_lines("s", path.as_uri(), compressed=compressed)) == lines


@pytest.mark.parametrize(
    "content", [None, b"not gzip", gzip.compress(b"x" * 1000, mtime=0)[:-20]], ids=["missing", "other", "cut"]
)
def test_a_batch_file_that_cannot_be_read(content: bytes | None, tmp_path: Path):
    path = tmp_path / "batch.jsonl.gz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConnectorError, match="Stream 's'"):
        list(batch_lines("s", path.as_uri(), compressed=True))
