"""The start of a connector leaves out libraries of the SDK that it does not use."""

from __future__ import annotations

import subprocess
import sys

import pytest

from target_split.common.deferred_imports import SELDOM_USED

pytestmark = pytest.mark.kind("process")

PACKAGES = ("tap_split_impressions", "tap_amplitude", "target_amplitude", "target_split")

STARTED = "import sys, {package}.__main__ as started; loaded = set({libraries!r}) & set(sys.modules)"


def said(code: str) -> str:
    """What a new Python prints when it runs some code."""
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.parametrize("package", PACKAGES)
def test_a_start_imports_none_of_them(package: str) -> None:
    started = STARTED.format(package=package, libraries=SELDOM_USED)
    assert said(f"{started}; print(loaded, started.cli.name)") == f"set() {package.replace('_', '-')}"


@pytest.mark.parametrize("package", PACKAGES)
def test_other_code_imports_the_real_ones_afterwards(package: str) -> None:
    started = STARTED.format(package=package, libraries=SELDOM_USED)
    real = "import joblib, upath, jsonpath_ng.ext, backoff; assert issubclass(joblib.Parallel, object)"
    assert said(f"{started}; {real}; print(upath.UPath('a').name)") == "a"


def test_the_sdk_uses_them_all_the_same() -> None:
    started = STARTED.format(package="target_split", libraries=SELDOM_USED)
    batch = "from singer_sdk.helpers._batch import StorageTarget; print(StorageTarget.split_url('file:///a/b.gz'))"
    assert said(f"{started}; {batch}") == "('file:///a', 'b.gz')"
    path = "from singer_sdk.helpers.jsonpath import extract_jsonpath; print(*extract_jsonpath('$.a[*]', {'a': [1, 2]}))"
    assert said(f"{started}; {path}") == "1 2"


def test_a_library_that_is_imported_already_stays() -> None:
    started = STARTED.format(package="target_split", libraries=SELDOM_USED)
    assert said(f"import joblib; before = joblib; {started}; print(sys.modules['joblib'] is before)") == "True"
