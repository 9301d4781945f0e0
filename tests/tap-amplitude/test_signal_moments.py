"""A stop signal takes effect whatever the tap does at that moment, and no traceback shows it."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest

from tap_amplitude.api.cohort_csv import members

# Python cannot raise the end of a run out of `__del__`, for example of an archive that was read.
IN_DEL = """
import os, signal, time
from tap_amplitude.tap import TapAmplitude

class Archive:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(1000):
            pass

TapAmplitude(config={"api_key": "k3y-0123", "secret_key": "s3cret-0123"}, setup_mapper=False)
Archive()
time.sleep(60)
print("went on")
"""


@pytest.mark.kind("process")
def test_a_signal_that_meets_the_end_of_an_object_ends_the_tap() -> None:
    result = subprocess.run([sys.executable, "-c", IN_DEL], capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 143
    assert "Traceback" not in result.stderr
    assert "went on" not in result.stdout


def test_a_list_that_is_left_half_read_can_be_closed_after_its_file() -> None:
    file = io.BytesIO(b'"amplitude_id","user_id"\n"42","a"\n"43","b"\n')
    rows = members(file)
    next(rows)
    file.close()
    rows.close()
