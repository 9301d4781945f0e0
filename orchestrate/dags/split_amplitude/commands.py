"""How a task runs a command of the Meltano project: in a process of the Airflow worker, or in a pod of its own.

Settings, from the environment of Airflow's processes (docs/deploy/airflow.md tells more):

* `SPLIT_AMPLITUDE_POD_TEMPLATE`: path of a pod template; every command runs in a pod of that kind when it is set.
* `SPLIT_AMPLITUDE_POOL`: the pool that every run takes a slot of, so that all together keep to the services' limits.
* `SPLIT_AMPLITUDE_PARALLEL_WINDOWS`: how many windows of a backfill run at a time.
* `SPLIT_AMPLITUDE_LEDGERS`: folder of the windows' ledgers; it must outlive a worker, since a retry needs its ledger.
"""

from __future__ import annotations

import os
from datetime import timedelta
from shlex import quote
from typing import Any

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import BaseOperator

from split_amplitude.project import ENVIRONMENT_VARIABLE, Project

POD_TEMPLATE = os.environ.get("SPLIT_AMPLITUDE_POD_TEMPLATE")
POOL = os.environ.get("SPLIT_AMPLITUDE_POOL", "default_pool")
PARALLEL_WINDOWS = int(os.environ.get("SPLIT_AMPLITUDE_PARALLEL_WINDOWS", "4"))
LEDGERS = os.environ.get("SPLIT_AMPLITUDE_LEDGERS", ".meltano/ledgers")

# The argument that carries a command's variables.
VARIABLES = "env_vars" if POD_TEMPLATE else "env"

# Airflow says how long a retry waits (`core.default_task_retry_delay`, five minutes); each waits twice as long as the
# one before. After the kill of a worker Meltano refuses a second run under the same state id for five minutes.
RETRIES: dict[str, Any] = {"retries": 4, "retry_exponential_backoff": 2.0}
# Longer than any run that gets on. At this time the connectors are told to stop: what is in flight is delivered, the
# state is written, and the retry goes on from there.
TIMEOUT = timedelta(hours=6)

# Two runs of a plugin in one .meltano folder would read each other's catalog and state. So each gets a folder of its
# own, in the temporary one that Airflow starts it in and removes; what is installed and the database are shared.
OWN_FOLDER = """\
shared="${MELTANO_SYS_DIR_ROOT:-$PROJECT/.meltano}" own="$PWD/.meltano"
mkdir "$own"
ln -s "$shared"/{extractors,loaders,mappers,utilities,meltano.db} "$own"
export MELTANO_SYS_DIR_ROOT="$own"
cd "$PROJECT"
"""


def command(project: Project, text: str) -> tuple[type[BaseOperator], dict[str, Any]]:
    """Return the operator that runs a shell command in the project's folder, and its arguments.

    Args:
        project: The project.
        text: What the shell runs; Meltano is on its path.
    """
    script = f'export PATH="$PWD/.venv/bin:$PATH" {ENVIRONMENT_VARIABLE}={quote(project.environment)}\n{text}'
    common: dict[str, Any] = {"pool": POOL, "execution_timeout": TIMEOUT, "do_xcom_push": False}
    if not POD_TEMPLATE:
        script = f"set -e\nPROJECT={quote(str(project.root))}\n{OWN_FOLDER}{script}"
        return BashOperator, common | {"bash_command": script, "append_env": True}

    # Not needed, and so not installed, where no pods are.
    from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator  # noqa: PLC0415

    return KubernetesPodOperator, common | {
        "pod_template_file": POD_TEMPLATE,
        "cmds": ["bash", "-c"],
        "arguments": [script],
    }


def hand_over(project: Project, step: str) -> tuple[type[BaseOperator], dict[str, Any]]:
    """Return the operator for a step of `hand_over.py`, and its arguments."""
    return command(project, f"PYTHONPATH=orchestrate/dags exec python -m split_amplitude.hand_over {step}")
