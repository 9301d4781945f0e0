"""The receiver as an AWS Lambda function. Handler: `tap_split_impressions.lambda_handler.lambda_handler`.

It takes requests (function URL, API Gateway, load balancer), messages of SQS, SNS and Kinesis, and the bare array that
a REST API without proxy integration passes on. Settings come from the environment, see `settings_of`. For SQS and
Kinesis set `FunctionResponseTypes` of the event source mapping to `ReportBatchItemFailures`: without it, AWS deletes
messages that failed.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from tap_split_impressions.common.receiver.assembly import open_storage, settings_of
from tap_split_impressions.common.receiver.function import Function
from tap_split_impressions.receiver.payloads import is_payload, lines_of
from tap_split_impressions.webhook import FILE_PREFIX, NAME


def lambda_handler(event: Any, context: Any) -> dict[str, Any] | None:
    """Store what an event brings; see `Function`."""
    return handler()(event, context)


@cache
def handler() -> Function:
    """Return the function, made at the first event so that a wrong setting shows in the function's log."""
    settings = settings_of(NAME)
    storage = open_storage(settings.path, settings.storage_options, prefix=FILE_PREFIX, seal_seconds=0)
    return Function(storage, lines_of, settings.options, is_payload)
