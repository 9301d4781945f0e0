"""Post to a webhook after the last retry of a task failed. docs/deploy/airflow.md describes the message."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import requests
from airflow.sdk import Variable

# Airflow's Variable with the webhook's address; without it nothing is posted.
ALERT_VARIABLE = "split_amplitude_alert_url"
TIMEOUT_SECONDS = 10

log = logging.getLogger(__name__)


def post_alert(context: Mapping[str, Any]) -> None:
    """Post which task failed. Airflow calls this after the last retry."""
    url = Variable.get(ALERT_VARIABLE, default=None)
    if not url:
        return
    try:
        requests.post(url, json=message_of(context["ti"]), timeout=TIMEOUT_SECONDS).raise_for_status()
    except requests.RequestException as error:
        # The error's text holds the address, which is a secret of many webhooks.
        log.error("The alert could not be posted (%s). Check Variable %s.", type(error).__name__, ALERT_VARIABLE)


def message_of(instance: Any) -> dict[str, Any]:
    """Return the message: `text` for chat tools, the rest for programs. An error text may hold personal data."""
    return {
        "text": f"{instance.dag_id}: task {instance.task_id} failed. Run {instance.run_id}, log: {instance.log_url}",
        "dag_id": instance.dag_id,
        "task_id": instance.task_id,
        "run_id": instance.run_id,
        "map_index": instance.map_index,
        "try_number": instance.try_number,
        "log_url": instance.log_url,
    }
