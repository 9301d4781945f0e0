"""The `airflow` commands of docs/deploy/airflow.md, in their order, against a database of their own."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from support.airflow import INSTALLED, Airflow

PAGE = Path(__file__).parents[2] / "docs" / "deploy" / "airflow.md"
RUNS_FOR_EVER = "airflow standalone"


def commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith("airflow ") and line != RUNS_FOR_EVER]


@pytest.mark.xdist_group("airflow")
@pytest.mark.skipif(not INSTALLED.exists(), reason="Airflow is not installed: `make .airflow/.installed` does it")
def test_the_commands_of_the_page_work(tmp_path: Path) -> None:
    airflow = Airflow(tmp_path / "airflow", {}, workers=1)
    airflow.run("db", "migrate")
    airflow.run("dags", "reserialize")
    airflow.run("variables", "set", "backfill-of-tap-amplitude-to-target-split", "held")
    page = commands()
    assert len(page) == 6
    for command in page:
        airflow.run(*shlex.split(command)[1:])
