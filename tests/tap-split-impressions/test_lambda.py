"""The receiver as an AWS Lambda function, called with events as AWS sends them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from support.receiver import TOKEN, Run, numbers_of, posted, stored_batches, zipped
from tap_split_impressions import lambda_handler as module
from tap_split_impressions.lambda_handler import lambda_handler

ITEM = {"treatment": "on", "time": 1767261600123, "changeNumber": 5, "label": "x"}
CONTEXT = SimpleNamespace(function_name="impressions", aws_request_id="11111111-2222-3333-4444-555555555555")


def function_url(body: str, encoded: bool, path: str = "/", method: str = "POST", query: str = f"token={TOKEN}") -> Any:
    """As <https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads> says."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {
            "content-type": "application/json",
            "x-forwarded-proto": "https",
            "x-forwarded-port": "443",
            "x-forwarded-for": "203.0.113.7",
            "host": "abcdefghij.lambda-url.us-east-1.on.aws",
        },
        "queryStringParameters": dict(pair.split("=") for pair in query.split("&") if pair),
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "abcdefghij",
            "domainName": "abcdefghij.lambda-url.us-east-1.on.aws",
            "domainPrefix": "abcdefghij",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.7",
                "userAgent": "agent",
            },
            "requestId": "11111111-2222-3333-4444-555555555555",
            "routeKey": "$default",
            "stage": "$default",
            "time": "01/Jan/2026:10:00:00 +0000",
            "timeEpoch": 1767261600000,
        },
        "body": body,
        "isBase64Encoded": encoded,
    }


def rest_api(body: str, encoded: bool, path: str = "/prod/impressions") -> Any:
    """As <https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html> says."""
    return {
        "resource": "/impressions",
        "path": path,
        "httpMethod": "POST",
        "headers": {"Content-Type": "application/json", "Host": "abcdefghij.execute-api.us-east-1.amazonaws.com"},
        "multiValueHeaders": {
            "Content-Type": ["application/json"],
            "Host": ["abcdefghij.execute-api.us-east-1.amazonaws.com"],
        },
        "queryStringParameters": {"token": TOKEN},
        "multiValueQueryStringParameters": {"token": [TOKEN]},
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {
            "resourceId": "123456",
            "resourcePath": "/impressions",
            "httpMethod": "POST",
            "path": path,
            "accountId": "123456789012",
            "protocol": "HTTP/1.1",
            "stage": "prod",
            "requestId": "11111111-2222-3333-4444-555555555555",
            "identity": {"sourceIp": "203.0.113.7", "userAgent": "agent"},
            "apiId": "abcdefghij",
        },
        "body": body,
        "isBase64Encoded": encoded,
    }


def load_balancer(body: str, encoded: bool) -> Any:
    """As <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html> says."""
    return {
        "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/x/1"}},
        "httpMethod": "POST",
        "path": "/",
        "queryStringParameters": {"token": TOKEN},
        "headers": {"content-type": "application/json", "host": "lb.example.com", "x-forwarded-for": "203.0.113.7"},
        "body": body,
        "isBase64Encoded": encoded,
    }


@pytest.fixture(autouse=True)
def settings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TAP_SPLIT_IMPRESSIONS_PATH", str(folder))
    monkeypatch.setenv("TAP_SPLIT_IMPRESSIONS_WEBHOOK_TOKEN", TOKEN)
    module.handler.cache_clear()
    yield
    module.handler.cache_clear()


@pytest.mark.parametrize("event", [function_url, rest_api, load_balancer])
def test_each_request_is_one_sealed_object(event: Any, folder: Path, run: Run) -> None:
    for number in range(3):
        body = base64.b64encode(zipped([posted(number)])).decode()
        answer = lambda_handler(event(body, encoded=True), CONTEXT)
        assert (answer["statusCode"], json.loads(answer["body"])) == (200, {"accepted": 1, "rejected": 0})
        assert len(stored_batches(folder)) == number + 1
    plain = lambda_handler(event(json.dumps([posted(3)]), encoded=False), CONTEXT)
    assert plain["statusCode"] == 200
    assert len(list(folder.glob("*.jsonl"))) == 4
    assert numbers_of(run()) == [0, 1, 2, 3]


def test_refusals() -> None:
    assert lambda_handler(function_url("[]", encoded=False, query=""), CONTEXT)["statusCode"] == 401
    assert lambda_handler(function_url("{}", encoded=False), CONTEXT)["statusCode"] == 400
    assert lambda_handler(function_url("", encoded=False, method="GET"), CONTEXT)["statusCode"] == 405
    assert lambda_handler(function_url("", encoded=False, path="/health", method="GET"), CONTEXT)["statusCode"] == 200


def test_a_batch_posted_to_the_health_path_is_stored(folder: Path) -> None:
    body = json.dumps([posted(1)])
    assert lambda_handler(function_url(body, encoded=False, path="/health"), CONTEXT)["statusCode"] == 200
    assert stored_batches(folder) == [[posted(1)]]


def test_a_folder_that_cannot_be_written_is_no_success(folder: Path) -> None:
    answer = lambda_handler(function_url(json.dumps([posted(1)]), encoded=False), CONTEXT)
    assert answer["statusCode"] == 200
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    folder.write_text("a file where the folder should be")
    assert lambda_handler(function_url(json.dumps([posted(2)]), encoded=False), CONTEXT)["statusCode"] == 503


def queue(*bodies: str, fifo: bool = False) -> dict[str, Any]:
    """As <https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html> says."""
    arn = f"arn:aws:sqs:us-east-1:123456789012:impressions{'.fifo' if fifo else ''}"
    return {
        "Records": [
            {
                "messageId": f"message-{number}",
                "receiptHandle": "handle",
                "body": body,
                "attributes": {"ApproximateReceiveCount": "1"},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": arn,
            }
            for number, body in enumerate(bodies)
        ]
    }


def topic(message: str) -> dict[str, Any]:
    """As <https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html> says."""
    return {
        "Records": [
            {"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": {"Type": "Notification", "Message": message}}
        ]
    }


def stream(*bodies: bytes) -> dict[str, Any]:
    """As <https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html> says."""
    return {
        "Records": [
            {
                "eventSource": "aws:kinesis",
                "eventID": f"shardId-000000000006:{number}",
                "kinesis": {"sequenceNumber": f"{number}", "data": base64.b64encode(body).decode()},
            }
            for number, body in enumerate(bodies)
        ]
    }


def text(*numbers: int) -> str:
    return json.dumps([posted(number) for number in numbers])


def failures(*names: str) -> dict[str, Any]:
    return {"batchItemFailures": [{"itemIdentifier": name} for name in names]}


@pytest.mark.parametrize(
    "event",
    [[posted(1), posted(2)], {"impressions": [{"testName": "f", "keyImpressions": [{"keyName": "e"} | ITEM]}]}],
)
def test_an_event_that_is_the_payload_itself(event: Any, folder: Path) -> None:
    count = len(event) if isinstance(event, list) else 1
    assert lambda_handler(event, CONTEXT) == {"accepted": count, "rejected": 0}
    assert len(stored_batches(folder)) == 1


ENVELOPE = {"Type": "Notification", "TopicArn": "arn:aws:sns:us-east-1:1:topic", "Message": text(5)}


@pytest.mark.parametrize(
    ("event", "numbers"),
    [
        (queue(text(1), text(2, 3)), [1, 2, 3]),
        (queue(json.dumps(ENVELOPE)), [5]),
        (topic(text(6)), [6]),
        (stream(text(7).encode(), zipped([posted(8)])), [7, 8]),
    ],
)
def test_messages_are_stored_as_one_object(event: Any, numbers: list[int], folder: Path, run: Run) -> None:
    assert lambda_handler(event, CONTEXT) == failures()
    assert len(list(folder.glob("*.jsonl"))) == 1
    assert numbers_of(run()) == numbers


@pytest.mark.parametrize(
    ("event", "failed", "numbers"),
    [
        (queue(text(1), "not JSON", text(2), "[]", "{}"), ["message-1", "message-4"], [1, 2]),
        (queue(text(1), "not JSON", text(2), fifo=True), ["message-1", "message-2"], [1]),
        (stream(b"\xff", text(3).encode()), ["0"], [3]),
    ],
)
def test_only_messages_that_hold_nothing_come_again(
    event: Any, failed: list[str], numbers: list[int], run: Run
) -> None:
    assert lambda_handler(event, CONTEXT) == failures(*failed)
    assert numbers_of(run()) == numbers


@pytest.mark.parametrize("event", [{}, None, 5, "text", {"Records": [{"eventSource": "aws:s3"}]}, topic("not JSON")])
def test_an_unknown_event_or_message_of_a_topic_fails_as_a_whole(event: Any, folder: Path) -> None:
    with pytest.raises(ValueError, match=r"neither|not of SQS|nothing to store"):
        lambda_handler(event, CONTEXT)
    assert stored_batches(folder) == []


def test_messages_fail_when_they_cannot_be_stored(folder: Path) -> None:
    lambda_handler(queue(text(1)), CONTEXT)
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    folder.write_text("a file where the folder should be")
    with pytest.raises(OSError, match=r"directory|exists"):
        lambda_handler(queue(text(2)), CONTEXT)


def test_a_request_of_a_web_page_needs_an_allowed_origin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAP_SPLIT_IMPRESSIONS_ALLOW_ORIGIN", "https://shop.example https://www.shop.example")
    for origin, expected in [("https://shop.example", "https://shop.example"), ("https://elsewhere.example", None)]:
        event = function_url(text(1), encoded=False)
        event["headers"]["origin"] = origin
        answer = lambda_handler(event, CONTEXT)
        assert (answer["statusCode"], answer["headers"].get("access-control-allow-origin")) == (200, expected)
