"""The units of orchestrate/systemd: systemd understands them, and what the receiver stores the pipeline can read.

The receiver runs as a user of its own here, the tap as another of the same group, a stranger as a third: numbers that
no account has, which the kernel treats like any other.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from ruamel.yaml import YAML

from support.processes import BIN
from support.receiver import posted, zipped

pytestmark = pytest.mark.kind("process")

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "orchestrate" / "systemd"
PAGE = (ROOT / "docs" / "deploy" / "systemd.md").read_text(encoding="utf-8")
RECEIVER = UNITS / "impressions-receiver.service"
STORED = "/var/lib/split-amplitude/impressions"
SERVICE, PERSON, STRANGER = 61801, 61802, 61803
GROUP, OTHERS = 61801, 61803


def entries(unit: Path) -> dict[str, str]:
    return dict(re.findall(r"^(\w+)=(.*)$", unit.read_text(encoding="utf-8"), re.MULTILINE))


def test_the_users_are_in_no_account() -> None:
    assert {user.pw_uid for user in pwd.getpwall()}.isdisjoint({SERVICE, PERSON, STRANGER})
    assert {group.gr_gid for group in grp.getgrall()}.isdisjoint({GROUP, OTHERS})


@pytest.mark.parametrize("name", sorted(path.name for path in UNITS.glob("*.*") if path.suffix != ".conf"))
def test_systemd_understands_a_unit(name: str, tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("there is no systemd on this machine")
    for unit in UNITS.iterdir():
        text = unit.read_text(encoding="utf-8").replace("/opt/split-amplitude/.venv/bin", str(BIN))
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
    checked = subprocess.run(
        ["systemd-analyze", "verify", tmp_path / name],
        env=os.environ | {"SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_two_receivers_differ_in_what_they_must() -> None:
    impressions, amplitude = entries(RECEIVER), entries(UNITS / "amplitude-receiver.service")
    differing = {name for name in impressions if impressions[name] != amplitude[name]}
    assert impressions.keys() == amplitude.keys()
    assert differing == {"Description", "ExecStart", "EnvironmentFile", "StateDirectory"}


def test_there_is_a_timer_for_each_schedule_at_its_time() -> None:
    project = YAML(typ="safe").load(ROOT / "meltano.yml")
    calendars = {"*/10 * * * *": "*:0/10", "15 * * * *": "*:15", "30 4 * * *": "*-*-* 04:30"}
    scheduled = {one["job"]: calendars[one["interval"]] for one in project["schedules"] if one["interval"] in calendars}
    timers = {path.stem.partition("@")[2]: entries(path)["OnCalendar"] for path in UNITS.glob("*.timer")}
    assert len(timers) == 3
    assert timers.items() <= scheduled.items()


def test_the_page_installs_the_files_that_there_are() -> None:
    copied = re.findall(r"orchestrate/systemd/\S+\.\w+", PAGE)
    assert copied
    assert [pattern for pattern in copied if not list(ROOT.glob(pattern))] == []
    started = re.findall(r"systemctl (?:enable --now|start) ([^\n]+)", PAGE)
    named = {word for line in started for word in line.split()}
    template = {unit if "." in unit else f"{unit}.service" for unit in named}
    there = {path.name for path in UNITS.iterdir()}
    assert named
    assert [unit for unit in template if unit not in there and re.sub(r"@.+\.", "@.", unit) not in there] == []
    (settings,) = re.findall(r"^```ini\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    writable = entries(UNITS / "split-amplitude@.service")["StateDirectory"].split()
    paths = {line.partition("=")[2] for line in settings.splitlines()}
    assert len(paths) > 1
    assert [
        one for one in paths - {STORED} if not one.startswith(tuple(f"/var/lib/{name}/" for name in writable))
    ] == []


@pytest.fixture
def machine() -> Iterator[Path]:
    """A folder that every user may enter, with the tap installed in it."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("other users need root and setpriv")
    folder = Path(tempfile.mkdtemp(prefix="machine-"))
    folder.chmod(0o755)
    try:
        environment = folder / "opt"
        subprocess.run([BIN / "uv", "venv", "--quiet", "--python", sys.executable, environment], check=True)
        install = [BIN / "uv", "pip", "install", "--quiet", "--python", environment / "bin" / "python"]
        subprocess.run([*install, f"{ROOT}/tap-split-impressions[webhook]"], check=True)
        if as_user(STRANGER, OTHERS, [str(environment / "bin" / "python"), "-c", ""], folder).returncode:
            pytest.skip("this Python lies where other users must not go")
        yield folder
    finally:
        shutil.rmtree(folder)


def switched(user: int, group: int) -> list[str]:
    return ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "--no-new-privs"]


def as_user(user: int, group: int, command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*switched(user, group), *command], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def stored(machine: Path) -> Path:
    """What the receiver has stored, run as its unit says: folder, user, group, modes."""
    unit = entries(RECEIVER)
    folder = machine / "state"
    for name in unit["StateDirectory"].split():  # as systemd makes them
        path = folder / Path(name).relative_to("split-amplitude")
        path.mkdir()
        path.chmod(int(unit["StateDirectoryMode"], 8))
        os.chown(path, SERVICE, GROUP)
    command = unit["ExecStart"].replace("/opt/split-amplitude/.venv", str(machine / "opt"))
    command = command.replace("/var/lib/split-amplitude", str(folder)).replace("--port 8080", "--port 0")
    process = subprocess.Popen(
        [*switched(SERVICE, GROUP), *command.split()],
        umask=int(unit["UMask"], 8),
        cwd="/",
        stderr=subprocess.STDOUT,
        stdout=subprocess.PIPE,
        text=True,
    )
    said = process.stdout.readline()
    url = re.search(r"http://127.0.0.1:\d+", said)
    assert url, said + process.communicate()[0]
    assert requests.post(url[0], data=zipped([posted(1), {"not": "one"}]), timeout=30).status_code == 200
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode in (0, 143)
    return folder / "impressions"


def test_the_group_reads_what_the_receiver_stored_and_nobody_else(machine: Path, stored: Path) -> None:
    (file,) = stored.glob("*.jsonl")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in stored.iterdir()}
    assert modes[file.name] == 0o640
    assert {mode & 0o007 for mode in modes.values()} == {0}

    config = machine / "config.json"
    config.write_text(json.dumps({"path": str(stored), "settle_seconds": 0}), encoding="utf-8")
    tap = [str(machine / "opt" / "bin" / "tap-split-impressions"), "--config", str(config)]
    read = as_user(PERSON, GROUP, tap, machine)
    assert read.returncode == 0, read.stderr
    records = [json.loads(line) for line in read.stdout.splitlines()]
    assert [one["record"]["key"] for one in records if one["type"] == "RECORD"] == ["user-000001"]

    refused = as_user(STRANGER, OTHERS, tap, machine)
    assert refused.returncode == 1
    assert "RECORD" not in refused.stdout
    assert "Traceback" not in refused.stderr
