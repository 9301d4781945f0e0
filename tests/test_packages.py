"""Each connector as a package: built, installed alone, and what its command line says."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from support.processes import Workplace

pytestmark = pytest.mark.kind("process")

ROOT = Path(__file__).parent.parent
UV = str(Path(sys.executable).parent / "uv")
TAPS = ("tap-split-impressions", "tap-amplitude")
CONNECTORS = (*TAPS, "target-amplitude", "target-split")
OTHER_PYTHONS = ("3.12", "3.13")

WRONG_SETTINGS: list[tuple[str, dict[str, Any], str]] = [
    ("tap-split-impressions", {}, "'path'"),
    ("tap-amplitude", {"secret_key": "k"}, "'api_key'"),
    ("tap-amplitude", {"api_key": "k", "secret_key": "k", "region": "mars"}, "'region'"),
    ("tap-amplitude", {"api_key": "k", "secret_key": 5}, "'secret_key'"),
    ("target-amplitude", {}, "'api_key'"),
    ("target-amplitude", {"api_key": "k", "load_as": "bulk"}, "'load_as'"),
    ("target-amplitude", {"api_key": "k", "dedupe": "week"}, "'dedupe'"),
    ("target-split", {"sdk_api_key": "k", "on_ambiguous": "guess"}, "'on_ambiguous'"),
    ("tap-split-impressions", {"path": ".", "api_url": "http://[::1"}, "'api_url'"),
    ("tap-amplitude", {"api_key": "k", "secret_key": "k", "api_url": "https://amplitude.com/api/2"}, "'api_url'"),
]


def python_found(version: str) -> str | None:
    """A Python of some version on this machine, on the path or kept by pyenv, or None."""
    kept = sorted(Path.home().glob(f".pyenv/versions/{version}*/bin/python"))
    for path in [shutil.which(f"python{version}"), *map(str, kept)]:
        if path and subprocess.run([path, "-c", ""], check=False, capture_output=True).returncode == 0:
            return path
    return None


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Builds a package as a release does, once, and returns its wheel."""

    @cache
    def build(package: str) -> Path:
        folder = tmp_path_factory.mktemp(package)
        # The build backend is among the development tools, so nothing is downloaded.
        command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT / package]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        (found,) = folder.glob("*.whl")
        return found

    return build


def installed_alone(plugin: str, wheel: Path, folder: Path, python: str) -> Path:
    """Install a connector's wheel into an empty environment; return its executable."""
    environment = folder / "environment"
    subprocess.run([UV, "venv", "--quiet", "--python", python, environment], check=True)
    interpreter = environment / "bin" / "python"
    subprocess.run([UV, "pip", "install", "--quiet", "--python", interpreter, wheel], check=True)
    return environment / "bin" / plugin


def says(executable: Path | str, *arguments: str) -> str:
    """What a command prints; it must succeed."""
    return subprocess.run([executable, *arguments], check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("package", [*CONNECTORS, "sandbox"])
def test_what_is_released(package: str, wheel: Callable[[str], Path]) -> None:
    built = wheel(package)
    released = [*built.parent.glob("*.whl"), *built.parent.glob("*.tar.gz")]
    assert len(released) == 2
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *released], check=True)
    wheel_of = zipfile.ZipFile(built)
    names = wheel_of.namelist()
    (module,) = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
    assert f"{module}/py.typed" in names
    (licence,) = [name for name in names if name.endswith(".dist-info/licenses/LICENSE")]
    assert wheel_of.read(licence) == (ROOT / "LICENSE").read_bytes()
    (archive,) = built.parent.glob("*.tar.gz")
    with tarfile.open(archive) as source:
        assert source.getmember(f"{archive.name.removesuffix('.tar.gz')}/LICENSE").isfile()


@pytest.mark.parametrize("python", [sys.executable, *OTHER_PYTHONS])
@pytest.mark.parametrize("plugin", CONNECTORS)
def test_installs_and_runs_alone(plugin: str, python: str, wheel: Callable[[str], Path], tmp_path: Path) -> None:
    if python in OTHER_PYTHONS:
        found = python_found(python)
        if found is None:
            pytest.skip(f"there is no Python {python} on this machine")
        python = found
    executable = installed_alone(plugin, wheel(plugin), tmp_path, python)
    version = wheel(plugin).name.split("-")[1]
    assert says(executable, "--version").startswith(f"{plugin} v{version}")
    assert json.loads(says(executable, "--about", "--format=json"))["name"] == plugin


@pytest.mark.parametrize("plugin", CONNECTORS)
def test_about_speaks_text_markdown_and_json(plugin: str, workplace: Workplace) -> None:
    assert plugin in workplace.run(plugin, None, "--about").stdout
    assert workplace.run(plugin, None, "--about", "--format=markdown").stdout.startswith("# `")
    about = json.loads(workplace.run(plugin, None, "--about", "--format=json").stdout)
    descriptions = {name: setting.get("description") for name, setting in about["settings"]["properties"].items()}
    assert all(descriptions.values()), descriptions


@pytest.mark.parametrize("plugin", TAPS)
def test_discovery_needs_no_settings(plugin: str, workplace: Workplace) -> None:
    discovered = workplace.run(plugin, None, "--discover")
    assert discovered.code == 0
    streams = json.loads(discovered.stdout)["streams"]
    assert streams
    assert all(stream["key_properties"] and stream["schema"]["properties"] for stream in streams)


@pytest.mark.parametrize(("plugin", "config", "named"), WRONG_SETTINGS)
def test_a_wrong_setting_is_one_sentence(plugin: str, config: dict[str, Any], named: str, workplace: Workplace) -> None:
    result = workplace.run(plugin, config)
    errors = [line for line in result.stderr.splitlines() if "ERROR" in line]
    assert result.code == 1
    assert len(errors) == 1
    assert named in errors[0]
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("plugin", CONNECTORS)
@pytest.mark.parametrize("content", [None, "{not json", "[]"])
def test_a_config_file_that_is_none(plugin: str, content: str | None, workplace: Workplace) -> None:
    path = workplace.folder / "config.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    result = workplace.run(plugin, None, "--config", path)
    assert result.code != 0
    assert "config" in result.stderr
    assert "Traceback" not in result.stderr
