"""The package that is uploaded to AWS Lambda: small enough, and without the libraries that only the tap needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from support.receiver import posted, stored_batches

pytestmark = pytest.mark.kind("process")

ROOT = Path(__file__).parent.parent.parent
UV = str(Path(sys.executable).parent / "uv")
MOST_ZIPPED_BYTES = 50 * 1000 * 1000  # https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html

CALL = """
import json, sys
sys.path.insert(0, sys.argv[1])
from tap_split_impressions.lambda_handler import lambda_handler
print(lambda_handler(json.loads(sys.argv[2]), None)["accepted"], end=" ")
print(sorted({name.partition(".")[0] for name in sys.modules} & {"singer_sdk", "pyarrow", "uvicorn", "click"}))
"""


def test_the_package_is_small_and_runs_without_the_sdk(tmp_path: Path) -> None:
    package = tmp_path / "package"
    project = f"{ROOT / 'tap-split-impressions'}[lambda]"
    subprocess.run([UV, "pip", "install", "--quiet", "--target", package, project], check=True)
    with zipfile.ZipFile(tmp_path / "package.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in package.rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                archive.write(path, path.relative_to(package))
    assert (tmp_path / "package.zip").stat().st_size < MOST_ZIPPED_BYTES
    # -S: none of the development environment's libraries.
    command = [sys.executable, "-S", "-c", CALL, str(package), json.dumps([posted(1)])]
    environment = os.environ | {"TAP_SPLIT_IMPRESSIONS_PATH": str(tmp_path / "stored")}
    called = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert called.stdout == "1 []\n", called.stderr
    assert stored_batches(tmp_path / "stored") == [[posted(1)]]
