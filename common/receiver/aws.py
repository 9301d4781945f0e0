"""Events with which AWS calls a Lambda function, as requests or as messages. Pure.

Shapes: https://github.com/aws/aws-lambda-go/tree/main/events/testdata
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec


class HttpRequest(NamedTuple):
    """A request through a function URL, API Gateway (REST or HTTP) or a load balancer. Header names in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


class Message(NamedTuple):
    """A message of a queue, topic or stream.

    Attributes:
        identifier: What names it in `batchItemFailures`; None where failures cannot be told apart (SNS).
        body: Its content.
        is_ordered: Whether nothing behind it may be taken before it (FIFO queues).
    """

    identifier: str | None
    body: bytes
    is_ordered: bool = False


class UnknownEventError(ValueError):
    """An event that none of the known sources sends."""


def http_request(event: Any) -> HttpRequest | None:
    """Return the request that an event holds, or None when it holds none.

    Raises:
        UnknownEventError: The body is not valid base64.
    """
    if not isinstance(event, dict):
        return None
    context = event.get("requestContext")
    http = context.get("http") if isinstance(context, dict) else None
    if isinstance(http, dict):  # version 2.0: function URLs and HTTP APIs
        method, path, query = http.get("method"), event.get("rawPath"), event.get("rawQueryString") or ""
    elif "httpMethod" in event:  # version 1.0: REST APIs and load balancers
        method, path = event["httpMethod"], event.get("path")
        parameters = event.get("multiValueQueryStringParameters") or event.get("queryStringParameters")
        query = urlencode(parameters, doseq=True) if isinstance(parameters, dict) else ""
    else:
        return None
    headers = event.get("headers") or {}
    if not headers and isinstance(multiple := event.get("multiValueHeaders"), dict):  # of a load balancer set to these
        headers = {name: values[-1:] for name, values in multiple.items()}
    body = event.get("body") or ""
    return HttpRequest(
        str(method).upper(),
        str(path or "/"),
        str(query),
        {str(name).lower(): value if isinstance(value, str) else "".join(value) for name, value in headers.items()},
        _from_base64(body) if event.get("isBase64Encoded") else str(body).encode("utf-8", "surrogatepass"),
    )


def messages(event: Any) -> Iterator[Message]:
    """Yield the messages of an SQS, SNS or Kinesis event, or raise `UnknownEventError`."""
    records = event.get("Records") if isinstance(event, dict) else None
    if not isinstance(records, list):
        raise UnknownEventError("neither a request nor messages of SQS, SNS or Kinesis")
    for record in records:
        source = (record.get("eventSource") or record.get("EventSource")) if isinstance(record, dict) else None
        if source == "aws:sqs":
            is_ordered = str(record.get("eventSourceARN")).endswith(".fifo")
            yield Message(str(record.get("messageId")), unwrapped(str(record.get("body") or "")), is_ordered)
        elif source == "aws:sns":
            yield Message(None, str(record["Sns"]["Message"]).encode())
        elif source == "aws:kinesis":
            data = record["kinesis"]
            yield Message(str(data.get("sequenceNumber")), _from_base64(data.get("data") or ""))
        else:
            raise UnknownEventError("a record that is not of SQS, SNS or Kinesis")


def unwrapped(body: str) -> bytes:
    """Return a queue's message, out of the envelope of SNS if it has one (raw message delivery is off)."""
    try:
        envelope = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        envelope = None
    is_sns = isinstance(envelope, dict) and envelope.get("Type") == "Notification" and "TopicArn" in envelope
    text = str(envelope.get("Message") or "") if is_sns and isinstance(envelope, dict) else body
    return text.encode("utf-8", "surrogatepass")


def _from_base64(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise UnknownEventError("a body that is not valid base64") from None
