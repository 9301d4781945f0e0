"""The site of the docs: built strictly, and whole without the network."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.site import BESIDE, MERMAID

pytestmark = pytest.mark.kind("process")

ROOT = Path(__file__).parents[2]
MKDOCS = [sys.executable, "-m", "mkdocs", "build", "--strict"]
LOADED = re.compile(r'<(?:script|img|iframe|source)[^>]* src="?([^">\s]+)|<link[^>]* href="?([^">\s]+)')


def build(project: Path, site: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    command = [*MKDOCS, "--site-dir", str(site)]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)


def test_every_page_is_built_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    built = build(ROOT, tmp_path)
    assert built.returncode == 0, built.stderr
    pages = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.html")}
    sources = [*BESIDE, *(path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md"))]
    assert {path.replace("README.md", "index.md").replace(".md", ".html") for path in sources} <= pages
    for page in pages:
        loaded = [a or b for a, b in LOADED.findall((tmp_path / page).read_text(encoding="utf-8"))]
        assert loaded
        assert [url for url in loaded if re.match(r"\w+:|//", url)] == []


def test_a_link_to_nowhere_fails_the_build(tmp_path: Path) -> None:
    for name in ("docs", "tools", "mkdocs.yml", *BESIDE):
        target = tmp_path / name
        target.parent.mkdir(exist_ok=True)
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, target)
    with (tmp_path / "README.md").open("a", encoding="utf-8") as readme:
        readme.write("\n[nowhere](docs/nowhere.yml)\n")
    built = build(tmp_path, tmp_path / "site")
    assert built.returncode != 0
    assert "docs/nowhere.yml, which does not exist" in built.stderr


def test_the_site_s_picture_shows_what_the_readme_s_does() -> None:
    (drawn,) = MERMAID.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    picture = (ROOT / "docs" / "pipelines.svg").read_text(encoding="utf-8")
    words = {word for label in re.findall(r'\["?(.+?)"?\]', drawn) for word in re.split(r"<br/>| · ", label)}
    assert len(words) > 10
    assert [word for word in words if word not in picture] == []
