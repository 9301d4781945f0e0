"""meltano.yml is read as Meltano reads it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from split_amplitude.project import Pipeline, Project, Schedule, variable

from support.meltano import Meltano

ROOT = Path(__file__).parents[2]

CONTENT = """
default_environment: stage
plugins:
  extractors:
  - name: tap-amplitude
    select: [events.*]
  - name: tap-amplitude-eu
    inherit_from: tap-amplitude
  - name: tap-amplitude-cohorts
    inherit_from: tap-amplitude
    select: [cohorts.*]
  - name: tap-files
  loaders:
  - name: target-split
  - name: target-split-eu
    inherit_from: target-split
  - name: target-amplitude
jobs:
- name: both
  tasks: [tap-amplitude target-split, [tap-files mapper target-amplitude, dbt:run]]
schedules:
- name: by-job
  interval: '@hourly'
  job: both
- name: by-plugins
  interval: '@none'
  extractor: tap-files
  loader: target-split
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "meltano.yml").write_text(CONTENT)
    return Project(tmp_path)


def test_schedules_are_those_that_meltano_lists(tmp_path: Path) -> None:
    listed = json.loads(Meltano(tmp_path, "http://127.0.0.1:9").run("schedule", "list", "--format=json").stdout)
    jobs, pairs = listed["schedules"]["job"], listed["schedules"]["elt"]
    known = Project(ROOT).schedules
    assert {(schedule.name, schedule.interval) for schedule in known} == {
        (entry["name"], entry["cron_interval"]) for entry in [*jobs, *pairs]
    }
    assert jobs
    for entry in jobs:
        pipelines = next(schedule.pipelines for schedule in known if schedule.name == entry["name"])
        assert [f"{p.tap} {p.target}" for p in pipelines] == entry["job"]["tasks"]


def test_schedules_of_jobs_and_of_plugins(project: Project) -> None:
    to_split, files = Pipeline("tap-amplitude", "target-split"), Pipeline("tap-files", "target-amplitude")
    assert project.schedules == [
        Schedule("by-job", "@hourly", (to_split, files)),
        Schedule("by-plugins", None, (Pipeline("tap-files", "target-split"),)),
    ]
    assert project.schedules_of(files) == ["by-job"]


def test_a_tap_can_be_read_range_by_range_when_it_selects_such_a_stream(project: Project) -> None:
    assert project.taps == ["tap-amplitude", "tap-amplitude-eu"]


def test_heirs_are_known_by_what_they_inherit(project: Project) -> None:
    assert [target for target in project.targets if project.keeps_ledger(target)] == ["target-split", "target-split-eu"]
    assert variable("tap-amplitude-eu", "start_date") == "TAP_AMPLITUDE_EU_START_DATE"


def test_the_environment_is_the_one_that_is_set_or_the_default(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MELTANO_ENVIRONMENT", raising=False)
    assert project.environment == "stage"
    monkeypatch.setenv("MELTANO_ENVIRONMENT", "prod")
    assert project.environment == "prod"


def test_the_project_is_found_from_the_dags_or_by_its_variable(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MELTANO_PROJECT_ROOT", raising=False)
    assert Project.here().root == ROOT
    monkeypatch.setenv("MELTANO_PROJECT_ROOT", str(project.root))
    assert Project.here().schedules == project.schedules
