"""Whole lines to standard output; after a stop signal, no write blocks."""

from __future__ import annotations

import subprocess
import sys

import pytest

WRITE = """
import sys
from tap_split_impressions.common.stdout import BlockedError, write_stdout
try:
    write_stdout(b"x" * 1_000_000 + b"\\n", lambda: {is_stopping})
except BlockedError:
    sys.exit(7)
"""


def writer(is_stopping: bool) -> subprocess.Popen[bytes]:
    """A process that writes more than a pipe holds."""
    code = WRITE.format(is_stopping=is_stopping)
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)


def test_a_write_that_begins_after_the_signal_does_not_wait_for_a_reader() -> None:
    with writer(is_stopping=True) as process:
        assert process.wait(timeout=60) == 7


@pytest.mark.parametrize("is_stopping", [True, False])
def test_a_reader_that_reads_gets_all_of_it(is_stopping: bool) -> None:
    with writer(is_stopping) as process:
        assert len(process.communicate(timeout=60)[0]) == 1_000_001
        assert process.returncode == 0
