"""Run with Airflow's Python: print what its DAG processor finds in a folder, as JSON."""

from __future__ import annotations

import json
import sys

from airflow.dag_processing.dagbag import DagBag

bag = DagBag(sys.argv[1])
dags = {
    dag.dag_id: {
        "schedule": dag.schedule,
        "tasks": {
            task.task_id: {
                "after": sorted(task.upstream_task_ids),
                "pool": task.pool,
                "at_once": task.max_active_tis_per_dag,
                "retries": task.retries,
                "alerts": bool(task.on_failure_callback),
            }
            for task in dag.tasks
        },
    }
    for dag in bag.dags.values()
}
print(json.dumps({"errors": bag.import_errors, "dags": dags}))
