"""Every command in the docs: run here, run by another test, or - where it needs what no test has - read closely.

Each page with shell blocks stands in one of the tables below; a new page fails until it does. The connectors run as
themselves, but with settings added behind those of the page, which point them to the sandbox.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from functools import cache
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from support.processes import BIN
from support.sandbox import Sandbox

pytestmark = pytest.mark.kind("process")

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("*/README.md"), *ROOT.glob("docs/**/*.md")]
BLOCK = re.compile(r"^ *```(?:sh|shell|console)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)

RUN_HERE = {
    "README.md": "some-tap",
    "tap-amplitude/README.md": "tap-amplitude --config",
    "tap-split-impressions/README.md": "tap-split-impressions --config",
    "target-amplitude/README.md": "target-amplitude --config",
    "target-split/README.md": "target-split --config",
    "sandbox/README.md": "curl",
}
RUN_ELSEWHERE = {
    "docs/tutorial.md": "tests/docs/test_tutorial.py",
    "docs/meltano.md": "tests/pipelines/test_project.py",
    "docs/accounts.md": "tests/pipelines/test_accounts.py",
    "docs/harness.md": "tests/docs/test_harness.py",
    "docs/alerting.md": "tests/docs/test_alerting.py",
    "docs/audit.md": "tests/pipelines/test_audit.py",
    "docs/deploy/airflow.md": "tests/orchestrate/test_docs.py",
    "docs/deploy/receiver.md": "tests/docs/test_impressions.py",
    "docs/deploy/systemd.md": "tests/docs/test_systemd.py",
    "docs/deploy/proxy.md": "tests/docs/test_proxy.py",
    "docs/deploy/kubernetes.md": "tests/docs/test_kubernetes.py",
    "docs/impressions/aws.md": "tests/docs/test_aws.py",
    "docs/impressions/s3.md": "tests/docs/test_impressions.py",
    "docs/impressions/webhook.md": "tests/docs/test_impressions.py",
    "docs/tap-amplitude/cohort-push.md": "tests/docs/test_routes.py",
    "docs/tap-amplitude/event-streaming.md": "tests/docs/test_routes.py",
    "docs/tap-amplitude/raw-export.md": "tests/docs/test_routes.py",
}
READ = {
    "docs/impressions/listeners.md": "an evaluator, and this repository at an address",
    "docs/target-amplitude/delivery.md": "rejects of an earlier run",
}
CONNECTORS = ("tap-split-impressions", "tap-amplitude", "target-amplitude", "target-split")
OURS = (*CONNECTORS, "tap-split-impressions-webhook", "tap-amplitude-webhook", "split-amplitude-sandbox")


def blocks(page: Path) -> list[str]:
    """The shell commands of a page, without prompts and what is printed behind them."""
    found = []
    for text in BLOCK.findall(page.read_text(encoding="utf-8")):
        lines = text.splitlines()
        prompted = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        found.append("\n".join(prompted or lines))
    return found


BLOCKS = {page.relative_to(ROOT).as_posix(): found for page in PAGES if (found := blocks(page))}


def test_every_page_with_commands_is_accounted_for() -> None:
    assert BLOCKS.keys() == RUN_HERE.keys() | RUN_ELSEWHERE.keys() | READ.keys()
    assert all((ROOT / test).exists() for test in RUN_ELSEWHERE.values())


@pytest.mark.parametrize("page", BLOCKS)
def test_the_shell_understands_them(page: str) -> None:
    for block in BLOCKS[page]:
        checked = subprocess.run(["bash", "-n"], input=block, text=True, capture_output=True, check=False)
        assert (checked.returncode, checked.stderr) == (0, ""), block


@cache
def help_of(*command: str) -> str:
    said = subprocess.run([BIN / command[0], *command[1:], "--help"], capture_output=True, text=True, check=True)
    return said.stdout


def lines_of(page: str, program: str) -> list[list[str]]:
    """A page's command lines of some program, as words."""
    lines = [line for block in BLOCKS[page] for line in block.replace("\\\n", " ").splitlines()]
    parts = [part for line in lines for part in re.split(r"[|;&]+|\bdo\b", re.sub(r"(^|\s+)#.*", "", line))]
    found = []
    for part in parts:
        try:
            words = [word for word in shlex.split(part) if not re.match(r"[A-Z_]+=", word)]
        except ValueError:
            continue  # a text over several lines; those that run are run whole
        if words and words[0].rpartition("/")[2] == program:
            found.append(words[1:])
    return found


def test_each_program_is_named_somewhere() -> None:
    assert [name for name in ("make", "meltano", *OURS) if not any(lines_of(page, name) for page in BLOCKS)] == []


@pytest.mark.parametrize("page", BLOCKS)
def test_they_name_what_there_is(page: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").replace("$(VENV)", ".venv")
    for words in lines_of(page, "make"):
        assert [target for target in words if not re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE)] == []

    project = YAML(typ="safe").load(ROOT / "meltano.yml")
    jobs = {job["name"] for job in project["jobs"]}
    schedules = {schedule["name"] for schedule in project["schedules"]}
    plugins = {plugin["name"] for kind in project["plugins"].values() for plugin in kind}
    plugins |= set(re.findall(r"^ *- name: (\S+)$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE))
    for words in lines_of(page, "meltano"):
        verb, *names = [word for word in words if not word.startswith("-")]
        known = {
            "run": jobs | plugins,
            "schedule": {"list", "run"} | schedules,
            "config": {"test"} | plugins,
            "invoke": plugins,
            "select": plugins,
        }
        named = {names[0].partition(":")[0]} if verb == "invoke" else set(names[:2])
        assert named <= known.get(verb, named), words

    for program in OURS:
        for words in lines_of(page, program):
            command = next((word for word in words[:1] if not word.startswith("-")), None)
            shown = help_of(program, command) if command else help_of(program)
            options = [word.partition("=")[0] for word in words if word.startswith("--")]
            assert [option for option in options if option not in shown] == []


@pytest.mark.parametrize("page", RUN_HERE)
def test_they_run(page: str, sandbox: Sandbox, tmp_path: Path) -> None:
    url = sandbox.url
    (tmp_path / "impressions").mkdir()
    settings = {
        "tap-split-impressions": {"path": str(tmp_path / "impressions")},
        "tap-amplitude": {"api_key": "k", "secret_key": "s", "api_url": url, "start_date": "2026-01-01"}
        | {"end_date": "2026-01-02"},
        "target-amplitude": {"api_key": "k", "api_url": url},
        "target-split": {"sdk_api_key": "k", "admin_api_key": "k", "events_url": url, "admin_url": url}
        | {"workspace_id": "Demo", "environment": "Production"},
    }
    programs = tmp_path / "programs"
    programs.mkdir()
    scripts = {
        "some-tap": f"exec {BIN}/tap-split-impressions --config {programs}/tap-split-impressions.json",
        "target-jsonl": "cat > rows.jsonl",
    }
    for connector in CONNECTORS:
        (programs / f"{connector}.json").write_text(json.dumps(settings[connector]), encoding="utf-8")
        scripts[connector] = f'exec {BIN}/{connector} "$@" --config {programs}/{connector}.json'
    scripts["pip"] = "exit 0"  # tests/test_packages.py installs them
    for name, script in scripts.items():
        (programs / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (programs / name).chmod(0o755)
    for name in ("config.json", "tap.json", "target.json", "state.json"):
        (tmp_path / name).write_text("{}", encoding="utf-8")
    discovered = subprocess.run([BIN / "tap-amplitude", "--discover"], capture_output=True, check=True).stdout
    catalog = {"streams": [one for one in json.loads(discovered)["streams"] if one["stream"] == "events"]}
    (tmp_path / "catalog.json").write_text(json.dumps(catalog), encoding="utf-8")

    ran = [block for block in BLOCKS[page] if RUN_HERE[page] in block]
    assert ran
    shell = subprocess.run(
        ["bash", "-c", "set -e -o pipefail\n" + "\n".join(ran).replace("http://127.0.0.1:8010", url)],
        cwd=tmp_path,
        env=os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert shell.returncode == 0, shell.stderr[-3000:]
    assert "Traceback" not in shell.stderr
