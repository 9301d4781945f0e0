"""Counters of the closing summary, as Singer metrics.

https://sdk.meltano.com/en/latest/implementation/logging.html
"""

from __future__ import annotations

import json

from singer_sdk.metrics import get_metrics_logger


def count(metric: str, value: int, **tags: str) -> None:
    """Log a counter."""
    point = {"type": "counter", "metric": metric, "value": value, "tags": tags}
    get_metrics_logger().info("METRIC: %s", json.dumps(point))
