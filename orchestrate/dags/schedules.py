"""One DAG per schedule of the Meltano project, run as Meltano would run it; behind an audit follows its report."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime

from airflow.sdk import DAG, Variable, task
from split_amplitude.commands import POD_TEMPLATE, TASK_DEFAULTS, command
from split_amplitude.project import Project, Schedule


@task.short_circuit
def no_backfill(holds: list[str]) -> bool:
    """Skip the run during a backfill of the same pipeline, which hands over when it is done."""
    return not any(Variable.get(hold, default=None) for hold in holds)


def _dag_of(project: Project, schedule: Schedule) -> DAG:
    dag = DAG(
        schedule.name,
        description=", ".join(f"{pipeline.tap} → {pipeline.target}" for pipeline in schedule.pipelines),
        schedule=schedule.interval,
        start_date=datetime(2020, 1, 1, tzinfo=UTC),
        # The state says where to continue, so missed runs are not made up for, and two never run at once.
        catchup=False,
        max_active_runs=1,
        default_args=TASK_DEFAULTS,
        tags=["meltano"],
    )
    with dag:
        operator, arguments = command(project, f"exec meltano schedule run {shlex.quote(schedule.name)}")
        run = operator(task_id="run", **arguments)
        holds = [pipeline.hold for pipeline in schedule.pipelines if project.is_ranged(pipeline.tap)]
        if holds:
            no_backfill(holds) >> run
        for audit in project.reports(schedule):
            operator, arguments = command(project, f"exec meltano invoke {shlex.quote(audit)}:report")
            # It fails when something is missing: no retry would find it.
            run >> operator(task_id="report", **arguments | {"retries": 0})
    return dag


PROJECT = Project.here()
for each in PROJECT.schedules:
    if POD_TEMPLATE and PROJECT.reports(each):
        continue  # an audit's file must outlive its run, which a pod's disk does not
    globals()[f"schedule {each.name}"] = _dag_of(PROJECT, each)
