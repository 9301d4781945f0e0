"""Every way to install a connector ends in an executable that answers: `common/` and the version come along each time.

Dependencies are installed once; what is tried here is how a package is built and found, so each way is `--no-deps`.
`test_packages.py` installs with dependencies, `tests/pipelines` as Meltano does.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = [pytest.mark.kind("process"), pytest.mark.xdist_group("installs")]

ROOT = Path(__file__).parents[1]
UV = Path(sys.executable).parent / "uv"
CONNECTORS = ("tap-split-impressions", "tap-amplitude", "target-amplitude", "target-split")
# This pip came with Python 3.11 at its oldest, and does not run on 3.12.
INSTALLERS = (*(["pip==21.3.1"] if sys.version_info < (3, 12) else []), "pip", "uv")
VERSION = "9.8.7"


def git(*arguments: str | Path, folder: Path) -> bytes:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"]
    return subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True).stdout


def run(*command: str | Path, folder: Path | None = None) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository that holds what stands here, committed or not, under one tag."""
    folder = tmp_path_factory.mktemp("checkout")
    names = git("ls-files", "-z", "--cached", "--others", "--exclude-standard", folder=ROOT).decode().split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    git("init", "--quiet", folder=folder)
    git("add", "--all", folder=folder)
    git("commit", "--quiet", "--message", "all", folder=folder)
    git("tag", f"v{VERSION}", folder=folder)
    return folder


@pytest.fixture(scope="module", params=INSTALLERS)
def install(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Installs with one installer into an environment that has all dependencies, and none of the connectors."""
    environment = tmp_path_factory.mktemp("environment")
    python = environment / "bin" / "python"
    projects = [tomllib.loads((ROOT / name / "pyproject.toml").read_text(encoding="utf-8")) for name in CONNECTORS]
    dependencies = sorted({text for project in projects for text in project["project"]["dependencies"]})
    run(UV, "venv", "--quiet", "--clear", "--python", sys.executable, environment)
    run(UV, "pip", "install", "--quiet", "--python", python, request.param, *dependencies)

    def install(*arguments: str | Path, folder: Path) -> Path:
        installer = [UV, "pip"] if request.param == "uv" else [python, "-m", "pip"]
        target = ["--python", python, "--reinstall"] if request.param == "uv" else ["--force-reinstall"]
        run(*installer, "install", "--quiet", "--no-deps", *target, *arguments, folder=folder)
        return environment / "bin"

    return install


def assert_all_answer(bin_folder: Path) -> None:
    """Every connector says what it is, with the version of the tag, from a folder that is not the repository."""
    commands = [[bin_folder / name, "--about", "--format=json"] for name in CONNECTORS]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=bin_folder) for command in commands]
    about = [json.loads(process.communicate(timeout=120)[0]) for process in running]
    assert [(one["name"], one["version"]) for one in about] == [(name, VERSION) for name in CONNECTORS]


def test_from_a_folder(install: Callable[..., Path], checkout: Path):
    assert_all_answer(install(*(f"./{name}" for name in CONNECTORS), folder=checkout))


def test_from_a_repository(install: Callable[..., Path], checkout: Path):
    assert_all_answer(install(*(f"git+file://{checkout}#subdirectory={name}" for name in CONNECTORS), folder=checkout))


def test_from_an_unpacked_archive(install: Callable[..., Path], checkout: Path, tmp_path: Path):
    with tarfile.open(fileobj=io.BytesIO(git("archive", f"v{VERSION}", folder=checkout))) as archive:
        archive.extractall(tmp_path, filter="data")
    assert_all_answer(install(*(f"./{name}" for name in CONNECTORS), folder=tmp_path))


def test_from_a_source_distribution(install: Callable[..., Path], checkout: Path, tmp_path: Path):
    for name in CONNECTORS:
        run(sys.executable, "-m", "build", "--no-isolation", "--sdist", "--outdir", tmp_path, checkout / name)
    sources = sorted(tmp_path.glob("*.tar.gz"))
    assert len(sources) == len(CONNECTORS)
    assert_all_answer(install(*sources, folder=tmp_path))


def test_editable_follows_the_code(install: Callable[..., Path], checkout: Path):
    """Last, for an editable install leaves its link to `common/` in the checkout."""
    bin_folder = install(*(part for name in CONNECTORS for part in ("-e", f"./{name}")), folder=checkout)
    assert_all_answer(bin_folder)
    links = [checkout / name / name.replace("-", "_") / "common" for name in CONNECTORS]
    assert all(link.is_symlink() for link in links)
    # A later build from the same checkout meets the link, and must not pack the same file twice.
    assert_all_answer(install(*(f"./{name}" for name in CONNECTORS), folder=checkout))
