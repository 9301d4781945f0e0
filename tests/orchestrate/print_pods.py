"""Run with Airflow's Python: print the pods of the backfill's tasks as JSON; no cluster and no scheduler is needed."""

from __future__ import annotations

import json
import sys

import backfill
from airflow.sdk.definitions.mappedoperator import MappedOperator
from kubernetes.client import ApiClient
from split_amplitude.hand_over import BACKFILL_VARIABLE
from split_amplitude.project import Pipeline

tasks, params = json.loads(sys.argv[1])
pipeline = Pipeline(params["tap"], params["target"])
filled = backfill.backfill_of(pipeline, params)
(window,) = filled.windows()

pods = []
for name in tasks:
    task = backfill.window if name == "window" else getattr(backfill, {"hand_over": "finish"}.get(name, name))
    if isinstance(task, MappedOperator):
        task = task.unmap({backfill.VARIABLES: backfill.variables_of(window, pipeline)})
    else:
        task.env_vars = {BACKFILL_VARIABLE: filled.to_json()}
    task.render_template_fields({"params": params})
    pods.append(ApiClient().sanitize_for_serialization(task.build_pod_request_obj(dry_run=True)))
print(json.dumps(pods))
