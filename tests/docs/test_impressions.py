"""The commands and settings of docs/impressions/ and docs/deploy/receiver.md."""

from __future__ import annotations

import inspect
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
import s3fs

from support.processes import BIN, Workplace
from support.receiver import posted, zipped

pytestmark = pytest.mark.kind("process")

ROOT = Path(__file__).parents[2]
FILES = [*ROOT.glob("docs/impressions/*.md"), ROOT / "docs" / "deploy" / "receiver.md"]
PAGES = {page.name: page.read_text(encoding="utf-8") for page in FILES}
FOLDER = "/var/lib/split-amplitude/impressions"
TOKEN = "TAP_SPLIT_IMPRESSIONS_WEBHOOK_TOKEN"


def block(page: str, language: str, holds: str) -> str:
    """The one block of a page in some language that holds a text."""
    found = re.findall(rf"^```{language}\n(.*?)^```", PAGES[page], re.MULTILINE | re.DOTALL)
    (text,) = [text for text in found if holds in text]
    return text


def by_another_server() -> str:
    return block("receiver.md", "sh", "uvicorn").rstrip() + " --port 8080"


def by_hand() -> str:
    return block("webhook.md", "sh", "--path").replace("\ntap-", f"\nprintenv {TOKEN}\ntap-")


@contextmanager
def started(script: str, folder: Path) -> Iterator[tuple[str, list[str]]]:
    """A receiver that a page's commands start, on a free port and over a temporary folder: its URL, what it said."""
    folder.mkdir(exist_ok=True)
    script = script.replace(FOLDER, str(folder)).replace("--port 8080", "--port 0")
    process = subprocess.Popen(
        ["bash", "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env=os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"},
    )
    said = []
    try:
        for line in process.stdout:
            said.append(line.strip())
            if found := re.search(r"(?:Listening|running) on (http://127.0.0.1:\d+)", line):
                break
        else:
            pytest.fail(f"the receiver did not start: {said}")
        yield found[1], said
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=30)


def test_a_receiver_in_another_server(tmp_path: Path) -> None:
    folder = tmp_path / "impressions"
    with started(by_another_server(), folder) as (url, _):
        assert requests.get(f"{url}/health", timeout=30).json() == {"status": "ok"}
        assert requests.post(url, data=zipped([posted(1)]), timeout=30).status_code == 200
    (file,) = folder.glob("*.jsonl")
    assert json.loads(file.read_text(encoding="utf-8"))["batch"] == [posted(1)]


def test_the_webhook_from_its_token_to_pruned_files(tmp_path: Path, workplace: Workplace) -> None:
    folder = tmp_path / "impressions"
    with started(by_hand(), folder) as (url, (token, *_)):
        assert requests.post(url, data=zipped([posted(1)]), timeout=30).status_code == 401
        assert requests.post(f"{url}?token={token}", data=zipped([posted(1)]), timeout=30).status_code == 200

    settings = json.loads(block("webhook.md", "json", '"path"').replace(FOLDER, str(folder)))
    result = workplace.run("tap-split-impressions", settings)
    assert [record["key"] for record in result.records("impressions")] == ["user-000001"]

    programs = tmp_path / "programs"
    programs.mkdir()
    (tmp_path / "kept.json").write_text(json.dumps({"singer_state": result.state}), encoding="utf-8")
    (programs / "meltano").write_text("#!/bin/sh\ncat kept.json\n", encoding="utf-8")
    (programs / "meltano").chmod(0o755)
    script = block("receiver.md", "sh", " prune ").replace(FOLDER, str(folder)).replace("7d", "0s")
    pruned = subprocess.run(
        ["bash", "-c", f"set -e\n{script}"],
        cwd=tmp_path,
        env=os.environ | {"PATH": os.pathsep.join([str(programs), str(BIN), os.environ["PATH"]])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert pruned.stdout.startswith("Removed 1 file; 0 old ones"), pruned.stderr
    assert list(folder.glob("*.jsonl")) == []


def test_columns_of_a_csv_as_the_page_names_them(workplace: Workplace) -> None:
    workplace.file("exports/data.csv", "User,Flag,Result,Evaluated at\nuser-1,new_nav,on,2026-03-01T00:00:00Z\n")
    settings = json.loads(block("csv.md", "json", "csv_columns"))
    settings["path"] = str(workplace.folder / settings["path"])
    (record,) = workplace.run("tap-split-impressions", settings | {"settle_seconds": 0}).records("impressions")
    names = ("key", "split", "treatment", "time")
    assert [record[name] for name in names] == ["user-1", "new_nav", "on", "2026-03-01T00:00:00.000Z"]


def test_settings_of_the_s3_page_are_known() -> None:
    blocks = re.findall(r"^```json\n(.*?)^```", PAGES["s3.md"], re.MULTILINE | re.DOTALL)
    settings = [json.loads(line) for text in blocks for line in text.splitlines()]
    about = subprocess.run([BIN / "tap-split-impressions", "--about", "--format=json"], capture_output=True, check=True)
    known = json.loads(about.stdout)["settings"]["properties"]
    options = {name for one in settings for name in one.get("storage_options", {})}
    assert options
    assert {name for one in settings for name in one} <= known.keys()
    # What S3FileSystem does not know it hands to botocore's session: that is where profiles come from.
    assert options - {"profile"} <= inspect.signature(s3fs.S3FileSystem.__init__).parameters.keys()


def test_the_listener_is_made_as_the_page_makes_it(tmp_path: Path) -> None:
    lines = block("listeners.md", "python", "FolderListener").splitlines()
    made = [line for line in lines if "factory" not in line]
    assert len(lines) - len(made) == 2  # the SDK's own, which asks Split
    script = "\n".join(made).replace(FOLDER, str(tmp_path))
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("page", PAGES)
def test_extras_are_those_of_the_package(page: str) -> None:
    project = (ROOT / "tap-split-impressions" / "pyproject.toml").read_text(encoding="utf-8")
    extras = set(re.findall(r"^(\w+) = \[", project.partition("[project.optional-dependencies]")[2], re.MULTILINE))
    named = {
        extra for found in re.findall(r"tap-split-impressions\[([\w,]+)\]", PAGES[page]) for extra in found.split(",")
    }
    assert named <= extras
