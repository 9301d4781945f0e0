"""One tag is the version of all packages, whichever way the repository comes."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.kind("process")

ROOT = Path(__file__).parents[1]
PACKAGES = ("tap-split-impressions", "tap-amplitude", "target-amplitude", "target-split", "sandbox")


def git(*arguments: str, folder: Path) -> bytes:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    return subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True).stdout


def versions(checkout: Path) -> set[str]:
    """The version that each package would be built with."""
    command = [sys.executable, "-m", "hatchling", "metadata", "version"]
    return {
        subprocess.run(command, cwd=checkout / package, check=True, capture_output=True, text=True).stdout.strip()
        for package in PACKAGES
    }


@pytest.fixture
def tagged(tmp_path: Path) -> Path:
    """A clone whose newest commit has a tag."""
    clone = tmp_path / "clone"
    git("clone", "--quiet", "--no-local", str(ROOT), str(clone), folder=tmp_path)
    git("tag", "v9.8.7", folder=clone)
    return clone


def test_a_tag_is_the_version_of_every_package(tagged: Path) -> None:
    assert versions(tagged) == {"9.8.7"}


def test_a_commit_after_it_is_on_the_way_to_the_next(tagged: Path) -> None:
    git("commit", "--quiet", "--allow-empty", "--message", "more", folder=tagged)
    assert versions(tagged) == {"9.8.8.dev1"}


def test_an_archive_of_the_tag_knows_it(tagged: Path, tmp_path: Path) -> None:
    unpacked = tmp_path / "unpacked"
    with tarfile.open(fileobj=io.BytesIO(git("archive", "v9.8.7", folder=tagged))) as archive:
        archive.extractall(unpacked, filter="data")
    assert versions(unpacked) == {"9.8.7"}


def test_a_source_distribution_knows_it(tagged: Path, tmp_path: Path) -> None:
    # The build backend is among the development tools, so nothing is downloaded.
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", tmp_path / "dist", tagged / "target-split"]
    subprocess.run(command, check=True, capture_output=True)
    assert len(list((tmp_path / "dist").glob("*-9.8.7*"))) == 2
