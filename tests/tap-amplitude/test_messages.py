"""The output: whole, whatever kind of pipe it goes into."""

from __future__ import annotations

import io
import os
import select
import sys
import threading
from typing import Any

import pytest

from tap_amplitude.common.tap.writer import write_all


class Impatient(io.FileIO):
    """The end of a pipe that fails when it is written to again and again while it is full."""

    refusals = 0

    def write(self, data: Any, /) -> int:
        count: Any = super().write(data)
        self.refusals = self.refusals + 1 if count is None else 0
        assert self.refusals < 100
        return count


def test_a_full_pipe_that_does_not_wait_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    data = bytes(range(256)) * 4096
    waiting, received = threading.Event(), io.BytesIO()
    wait = select.select

    def noticed(*files: Any) -> Any:
        waiting.set()
        return wait(*files)

    def read() -> None:
        waiting.wait()
        with os.fdopen(reader, "rb") as pipe:
            received.write(pipe.read())

    thread = threading.Thread(target=read)
    thread.start()
    try:
        with io.TextIOWrapper(io.BufferedWriter(Impatient(writer, "wb"))) as output:
            monkeypatch.setattr(sys, "stdout", output)
            monkeypatch.setattr(select, "select", noticed)
            write_all(data)
            monkeypatch.undo()
    finally:
        waiting.set()
        thread.join()
    assert received.getvalue() == data
