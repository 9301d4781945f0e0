"""docs/meltano.md, done: where the state is kept, runs from the start, states beside, chosen and changed records."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from demo import data
from demo.services import post, receiver
from support.database import programs, running_postgres
from support.meltano import ROOT, Meltano
from support.objects import running_store
from support.sandbox import Sandbox

PAGE = (ROOT / "docs" / "meltano.md").read_text(encoding="utf-8")
# The sandbox holds nothing to export; a run that looks for it has to begin somewhere.
START = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0).isoformat()
STATE_ID = "dev:tap-split-impressions-to-target-amplitude"


@pytest.fixture
def received(meltano: Meltano, tmp_path: Path) -> list[dict[str, Any]]:
    """Impressions that came in through the receiver; every second one is of a test user."""
    rows = [row for row in data.impressions(datetime.now(UTC)) if row["key"] not in data.REFUSED_KEYS][:40]
    rows = [row | {"key": f"test-{row['key']}"} if number % 2 else row for number, row in enumerate(rows)]
    with receiver(meltano.impressions, tmp_path / "receiver.log") as url:
        post(url, [rows])
    return rows


@contextmanager
def folder_backend(folder: Path) -> Iterator[dict[str, str]]:
    yield {"MELTANO_STATE_BACKEND_URI": f"file://{folder}/states"}
    assert [path for path in (folder / "states").rglob("*") if path.is_file()]


@contextmanager
def s3_backend(folder: Path) -> Iterator[dict[str, str]]:
    with running_store() as store:
        store.empty()
        yield {
            "MELTANO_STATE_BACKEND_URI": f"s3://{store.bucket}/state",
            "MELTANO_STATE_BACKEND_S3_AWS_ACCESS_KEY_ID": store.options["key"],
            "MELTANO_STATE_BACKEND_S3_AWS_SECRET_ACCESS_KEY": store.options["secret"],
            "MELTANO_STATE_BACKEND_S3_ENDPOINT_URL": store.url,
        }
        assert store.names()


@contextmanager
def postgres_backend(folder: Path) -> Iterator[dict[str, str]]:
    found = programs()
    if found is None:
        pytest.skip("there is no PostgreSQL server on this machine")
    with running_postgres(found) as uri:
        yield {"MELTANO_DATABASE_URI": uri}


BACKENDS = {
    "A folder": folder_backend,
    "S3": s3_backend,
    "PostgreSQL": postgres_backend,
}


@pytest.mark.parametrize("title", BACKENDS)
def test_the_next_run_goes_on_from_a_state_kept_elsewhere(
    title: str, meltano: Meltano, services: Sandbox, received: list[dict[str, Any]], tmp_path: Path
) -> None:
    section = PAGE.partition(f"### {title}\n")[2].partition("\n### ")[0]
    with BACKENDS[title](tmp_path) as environment:
        assert set(re.findall(r"^(MELTANO_\w+)=", section, re.MULTILINE)) == environment.keys()
        meltano.succeeds("run", "impressions-as-events", **environment)
        assert len(services.amplitude_events()) == len(received)
        default = tmp_path / ".meltano" / "meltano.db"
        default.unlink(missing_ok=True)
        sent = len(services.requests("/batch"))
        meltano.succeeds("run", "impressions-as-events", **environment)
        assert len(services.requests("/batch")) == sent
        assert default.exists() == ("MELTANO_DATABASE_URI" not in environment)


def test_the_commands_of_the_page(meltano: Meltano, services: Sandbox, received: list[dict[str, Any]]) -> None:
    in_sections = PAGE.partition("## Select streams")[0]
    lines = re.findall(r"^meltano ([^|\n]+?)(?: +#.*)?$", in_sections, re.MULTILINE)
    # Those with "config test" are run with the other tests of plugins, in test_pipelines.py.
    said, sent = [], {}
    for line in [one for one in lines if not one.startswith("config test")]:
        before = len(services.requests("/batch"))
        said.append(meltano.succeeds(*shlex.split(line), TAP_AMPLITUDE_START_DATE=START).stdout)
        sent[line] = len(services.requests("/batch")) - before
    schedules = [schedule["name"] for schedule in YAML().load(ROOT / "meltano.yml")["schedules"]]
    assert schedules
    assert [name for name in schedules if name not in said[0]] == []
    assert [line for line, requests in sent.items() if requests] == [
        "run impressions-as-events",
        "run --full-refresh impressions-as-events",
        "run --state-id-suffix=trial tap-split-impressions target-amplitude",
    ]
    # Amplitude drops what it has already.
    assert len(services.amplitude_events()) == len(received)
    assert {STATE_ID, f"{STATE_ID}:trial"} <= set(said[-1].split())


def test_what_is_chosen_and_changed_on_the_way(
    meltano: Meltano, services: Sandbox, received: list[dict[str, Any]], tmp_path: Path
) -> None:
    yaml = YAML()
    project = yaml.load(ROOT / "meltano.yml")
    (example,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (plugin,) = yaml.load(example)["plugins"]["extractors"]
    project["plugins"]["extractors"].append(plugin)
    yaml.dump(project, tmp_path / "meltano.yml")
    meltano.project = tmp_path

    select, run = re.findall(rf"^meltano (.+{plugin['name']}.*)$", PAGE, re.MULTILINE)
    listed = meltano.succeeds(*select.split()).stdout
    assert re.search(r"excluded.*impressions\.machine_ip", listed)
    meltano.succeeds(*run.split())
    events = services.amplitude_events()
    assert {event["user_id"] for event in events} == {
        row["key"] for row in received if not row["key"].startswith("test-")
    }
    properties = [event["event_properties"] for event in events]
    assert properties
    assert all(one["treatment"] == one["treatment"].upper() for one in properties)
    assert not any(name.startswith("machine") for one in properties for name in one)
