"""How a task runs a command of the Meltano project: in a process of the Airflow worker, or in its own pod.

Settings, from the environment of Airflow's processes (docs/deploy/airflow.md tells more):

* `SPLIT_AMPLITUDE_POD_TEMPLATE`: path of a pod template; if set, every command runs in such a pod.
* `SPLIT_AMPLITUDE_POOL`: the pool that every run takes a slot from, so that all runs together stay within rate limits.
* `SPLIT_AMPLITUDE_PARALLEL_WINDOWS`: how many windows of a backfill run in parallel.
* `SPLIT_AMPLITUDE_LEDGERS`: folder of the windows' ledgers. It must outlive a worker, since a retry needs its ledger.
  Blank: windows share the pipeline's ledger, which must then be in PostgreSQL.
* `SPLIT_AMPLITUDE_REJECTS`: folder of the windows' rejects.
"""

from __future__ import annotations

import os
from datetime import timedelta
from shlex import quote
from typing import Any

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import BaseOperator

from split_amplitude.alerts import post_alert
from split_amplitude.project import ENVIRONMENT_VARIABLE, Project

POD_TEMPLATE = os.environ.get("SPLIT_AMPLITUDE_POD_TEMPLATE")
POOL = os.environ.get("SPLIT_AMPLITUDE_POOL", "default_pool")
PARALLEL_WINDOWS = int(os.environ.get("SPLIT_AMPLITUDE_PARALLEL_WINDOWS", "4"))
LEDGERS = os.environ.get("SPLIT_AMPLITUDE_LEDGERS", ".meltano/ledgers").strip()
REJECTS = os.environ.get("SPLIT_AMPLITUDE_REJECTS", "").strip() or ".meltano/rejects"

# The argument that carries a command's variables.
VARIABLES = "env_vars" if POD_TEMPLATE else "env"

# Airflow sets the backoff of the first retry (`core.default_task_retry_delay`, five minutes); each further one doubles
# it. After a worker is killed, Meltano refuses a second run under the same state id for five minutes.
TASK_DEFAULTS: dict[str, Any] = {
    "retries": 4,
    "retry_exponential_backoff": 2.0,
    "on_failure_callback": post_alert,
}
# Longer than any run that makes progress. At this time the connectors are told to stop: what is in flight is delivered,
# the state is written, and the retry continues from there.
TIMEOUT = timedelta(hours=6)

# Two runs of a plugin in one .meltano folder would read each other's catalog and state. So each gets its own, in the
# temporary folder that Airflow starts it in and removes; installed plugins and the database are shared.
OWN_FOLDER = """\
shared="${MELTANO_SYS_DIR_ROOT:-$PROJECT/.meltano}" own="$PWD/.meltano"
mkdir "$own"
ln -s "$shared"/{extractors,loaders,mappers,utilities,meltano.db} "$own"
export MELTANO_SYS_DIR_ROOT="$own"
cd "$PROJECT"
"""


def command(project: Project, text: str) -> tuple[type[BaseOperator], dict[str, Any]]:
    """Return the operator that runs a shell command in the project's folder, Meltano on its path, and its arguments."""
    script = f'export PATH="$PWD/.venv/bin:$PATH" {ENVIRONMENT_VARIABLE}={quote(project.environment)}\n{text}'
    common: dict[str, Any] = {"pool": POOL, "execution_timeout": TIMEOUT, "do_xcom_push": False}
    if not POD_TEMPLATE:
        script = f"set -e\nPROJECT={quote(str(project.root))}\n{OWN_FOLDER}{script}"
        return BashOperator, common | {"bash_command": script, "append_env": True}

    from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator  # noqa: PLC0415  # not installed without pods

    return KubernetesPodOperator, common | {
        "pod_template_file": POD_TEMPLATE,
        "cmds": ["bash", "-c"],
        "arguments": [script],
    }


def hand_over(project: Project, step: str) -> tuple[type[BaseOperator], dict[str, Any]]:
    """Return the operator for a step of `hand_over.py`, and its arguments."""
    return command(project, f"PYTHONPATH=orchestrate/dags exec python -m split_amplitude.hand_over {step}")
