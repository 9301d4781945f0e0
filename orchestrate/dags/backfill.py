"""Backfill a range in parallel windows; then the schedule continues from exactly its end.

    plan ──► check ──► window × n ──► hand_over ──► release

From `plan` to `release` the schedules of the same pipeline skip their runs, so that no hour is read by both. If `plan`
or `check` refuses the range, `give_up` releases them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from shlex import quote
from typing import Any

from airflow.sdk import DAG, Param, Variable, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException
from split_amplitude.commands import LEDGERS, PARALLEL_WINDOWS, REJECTS, TASK_DEFAULTS, VARIABLES, command, hand_over
from split_amplitude.hand_over import BACKFILL_VARIABLE
from split_amplitude.project import Pipeline, Project, variable
from split_amplitude.ranges import HOUR, Backfill, RangeError, Window, moment_of, text_of

PROJECT = Project.here()
PARAMS = {
    "tap": Param(type="string", enum=PROJECT.taps, description="What to read."),
    "target": Param(type="string", enum=PROJECT.targets, description="Where to load."),
    "start": Param(type="string", description="The first hour, such as 2026-01-01 or 2026-01-01T05:00:00Z."),
    "end": Param(type="string", description="The end of the last hour (exclusive): the schedule continues from here."),
    "window_hours": Param(24, type="integer", minimum=1, description="Hours in one window."),
}


@task
def plan() -> dict[str, str]:
    """Check the parameters and hold the schedules of the pipeline; return the range for the tasks that follow."""
    context = get_current_context()
    params = context["params"]
    pipeline = Pipeline(params["tap"], params["target"])
    try:
        backfill = backfill_of(pipeline, params)
    except RangeError as error:
        raise AirflowFailException(str(error)) from error
    hold = Variable.get(pipeline.hold, default=None)
    if not hold:
        Variable.set(pipeline.hold, f"{backfill.interval} {context['run_id']}")
    elif (held := hold.split()[0]) != backfill.interval:
        raise AirflowFailException(
            f"The backfill {held} of this pipeline is not done. Clear its failed windows and let it finish, or cancel"
            f" it by deleting the variable {pipeline.hold}."
        )
    for schedule in PROJECT.schedules_of(pipeline):
        if context["ti"].get_dr_count(schedule, states=["running"]):
            raise RuntimeError(
                f"A run of {schedule} is still running; it must end first."
            )  # the task's retry looks again
    return {BACKFILL_VARIABLE: backfill.to_json()}


def backfill_of(pipeline: Pipeline, params: dict[str, Any]) -> Backfill:
    """Return the range that the parameters describe.

    Raises:
        RangeError: It cannot be filled.
    """
    start, end = moment_of(params["start"]), moment_of(params["end"])
    if end > datetime.now(UTC):
        raise RangeError("'end' is in the future. Choose a past hour; the schedule reads what comes later.")
    return Backfill(f"{PROJECT.environment}:{pipeline}", start, end, params["window_hours"] * HOUR)


@task
def windows(planned: dict[str, str]) -> list[dict[str, str]]:
    """Return the variables of each window's run: its dates, its state, its rejects and its ledger."""
    params = get_current_context()["params"]
    pipeline = Pipeline(params["tap"], params["target"])
    return [variables_of(window, pipeline) for window in Backfill.from_json(planned[BACKFILL_VARIABLE]).windows()]


def variables_of(window: Window, pipeline: Pipeline) -> dict[str, str]:
    """Return the variables of a window's run."""
    variables = {
        variable(pipeline.tap, "start_date"): text_of(window.start),
        variable(pipeline.tap, "end_date"): text_of(window.end),
        # As many requests as windows: the limit on windows is then the limit on requests.
        variable(pipeline.tap, "max_parallel_windows"): "1",
        "MELTANO_RUN_STATE_ID_SUFFIX": window.suffix,
        variable(pipeline.target, "rejects_path"): f"{REJECTS}/{pipeline}-{window.suffix}.jsonl",
    }
    if LEDGERS and PROJECT.keeps_ledger(pipeline.target):
        variables[variable(pipeline.target, "ledger_path")] = f"{LEDGERS}/{pipeline}-{window.suffix}.sqlite"
    return variables


@task
def release() -> None:
    """Let the schedules of the pipeline run again."""
    params = get_current_context()["params"]
    Variable.delete(Pipeline(params["tap"], params["target"]).hold)


@task(trigger_rule="one_failed")
def give_up() -> None:
    """Let them run again if nothing was read, unless an earlier run of the same range holds them."""
    context = get_current_context()
    hold = Pipeline(context["params"]["tap"], context["params"]["target"]).hold
    if Variable.get(hold, default="").endswith(f" {context['run_id']}"):
        Variable.delete(hold)


with DAG(
    "backfill",
    description="Backfill a range, window by window.",
    schedule=None,
    start_date=datetime(2020, 1, 1, tzinfo=UTC),
    max_active_runs=1,
    default_args=TASK_DEFAULTS,
    params=PARAMS,
    tags=["meltano"],
    doc_md=__doc__,
):
    planned = plan()

    operator, arguments = hand_over(PROJECT, "check")
    check = operator(task_id="check", **arguments | {VARIABLES: planned, "retries": 0})

    folders = " ".join(quote(folder) for folder in (LEDGERS, REJECTS) if folder)
    run = f"mkdir -p {folders} && exec meltano run {{{{ params.tap }}}} {{{{ params.target }}}}"
    operator, arguments = command(PROJECT, run)
    window = operator.partial(
        task_id="window",
        max_active_tis_per_dag=PARALLEL_WINDOWS,
        map_index_template="{{ ti.xcom_pull('windows')[ti.map_index]['MELTANO_RUN_STATE_ID_SUFFIX'] }}",
        **arguments,
    ).expand(**{VARIABLES: windows(planned)})

    operator, arguments = hand_over(PROJECT, "finish")
    finish = operator(task_id="hand_over", **arguments | {VARIABLES: planned, "retries": 1})

    check >> window >> finish >> release()
    [planned, check] >> give_up()
