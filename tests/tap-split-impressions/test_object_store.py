"""The folder in an object store, a real S3 server: Split's Parquet export, the receiver's objects."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from support.objects import Store, running_store
from support.processes import Workplace
from support.receiver import Receiver, Run, numbers_of, posted

PART = "export/schema-v1/part-{:05}-{}-c000.snappy.parquet"


@pytest.fixture(scope="module")
def shared_store() -> Iterator[Store]:
    with running_store() as store:
        yield store


@pytest.fixture
def store(shared_store: Store) -> Store:
    shared_store.empty()
    return shared_store


def settings(store: Store, path: str = "export", **changes: Any) -> dict[str, Any]:
    return {"path": f"s3://{store.bucket}/{path}", "storage_options": store.options, **changes}


def export(*numbers: int) -> bytes:
    """A file of Split's S3 export."""
    rows = []
    for number in numbers:
        webhook = posted(number)
        rows.append(
            {
                "key": webhook["key"],
                "bucketingKey": "",
                "label": webhook["label"],
                "treatment": webhook["treatment"],
                "splitName": webhook["split"],
                "splitVersion": webhook["splitVersionNumber"],
                "properties": "",
                "environmentId": webhook["environmentId"],
                "trafficTypeId": "tt-user",
                "sdk": webhook["sdk"],
                "sdkVersion": webhook["sdkVersion"],
                "timestamp": webhook["time"],
                "receptionTimestamp": 1767261661044,
            }
        )
    sink = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(rows), sink)
    return sink.getvalue()


def test_splits_export_is_read_once(store: Store, run: Run) -> None:
    store.put(PART.format(7, "aa"), export(1, 2))
    store.put(PART.format(3, "bb"), export(3))
    store.put("export/schema-v1/_SUCCESS", b"")
    store.put("export/schema-v1/_committed_2026-01-01T00:00_2026-01-01T00:30", b"{}")
    first = run(**settings(store))
    assert sorted(numbers_of(first)) == [1, 2, 3]
    assert {record["received_at"] for record in first.records("impressions")} == {"2026-01-01T10:01:01.044Z"}
    assert numbers_of(run(first.state, **settings(store))) == []
    # Within the same second, with a name that sorts first.
    store.put(PART.format(1, "cc"), export(4))
    second = run(first.state, **settings(store))
    assert numbers_of(second) == [4]
    assert numbers_of(run(second.state, **settings(store))) == []


def test_the_same_impression_by_webhook_and_by_s3_has_one_id(store: Store, run: Run) -> None:
    store.put(PART.format(1, "aa"), export(5))
    store.put("export/b.jsonl", json.dumps(posted(5)).encode())
    records = run(**settings(store)).records("impressions")
    assert len(records) == 2
    assert len({record["impression_id"] for record in records}) == 1


def test_objects_of_one_second_come_one_by_one(store: Store, run: Run) -> None:
    state = None
    for number in range(12):
        store.put(f"export/{(number * 7) % 12}.jsonl", json.dumps(posted(number)).encode())
        result = run(state, **settings(store))
        assert numbers_of(result) == [number]
        state = result.state


def test_a_moved_object_is_not_read_again_and_a_replaced_one_is(store: Store, run: Run) -> None:
    store.put("export/a.jsonl", json.dumps(posted(1)).encode())
    store.put("export/b.jsonl", json.dumps(posted(2)).encode())
    first = run(**settings(store))
    store.files.mv(f"{store.bucket}/export/a.jsonl", f"{store.bucket}/export/archive/a.jsonl")
    store.put("export/b.jsonl", json.dumps(posted(3)).encode())
    assert numbers_of(run(first.state, **settings(store))) == [3]


def test_many_objects(store: Store, run: Run) -> None:
    objects = {f"{store.bucket}/export/{number:04}.jsonl": json.dumps(posted(number)).encode() for number in range(300)}
    store.files.pipe(objects)
    assert sorted(numbers_of(run(**settings(store)))) == list(range(300))


def test_an_empty_prefix_holds_nothing(store: Store, run: Run) -> None:
    assert numbers_of(run(**settings(store, "nothing-here-yet"))) == []


def test_a_bucket_that_is_not_there(store: Store, run: Run) -> None:
    result = run(code=1, path="s3://no-such-bucket/x", storage_options=store.options)
    assert "Setting 'path': s3://no-such-bucket/x does not exist" in result.stderr


def test_a_bucket_that_is_not_allowed(store: Store, run: Run, refusing_store: str) -> None:
    options = store.options | {"endpoint_url": refusing_store}
    result = run(code=1, path="s3://impressions/export", storage_options=options)
    assert "access to s3://impressions/export is denied" in result.stderr
    assert "test-secret-key" not in result.stderr


def test_a_store_that_does_not_answer(store: Store, workplace: Workplace) -> None:
    options = store.options | {"endpoint_url": "http://127.0.0.1:9", "config_kwargs": {"retries": {"max_attempts": 1}}}
    config = {"path": "s3://impressions/export", "storage_options": options}
    result = workplace.run("tap-split-impressions", config)
    assert result.code == 1
    assert "s3://impressions/export cannot be reached" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_store_that_is_too_slow(store: Store, run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        short_timeouts = {"connect_timeout": 1, "read_timeout": 1, "retries": {"max_attempts": 0}}
        options = store.options | {
            "endpoint_url": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "config_kwargs": short_timeouts,
        }
        result = run(code=1, path="s3://impressions/export", storage_options=options)
    assert "s3://impressions/export cannot be reached" in result.stderr


def test_the_receiver_writes_objects_that_the_tap_reads(store: Store, run: Run) -> None:
    target = f"s3://{store.bucket}/received"
    with Receiver(target, "--storage-options", json.dumps(store.options)) as receiver:
        assert [receiver.post([posted(number)]).status_code for number in range(5)] == [200] * 5
        assert receiver.post([posted(5), {"key": "k"}]).json() == {"accepted": 1, "rejected": 1}
        # Each 200 came after the object was there.
        assert numbers_of(run(**settings(store, "received"))) == list(range(6))
        assert receiver.stop() == 0
    assert sum(name.endswith(".rejects") for name in store.names()) == 1


def test_a_store_that_refuses_is_answered_with_503(store: Store) -> None:
    target = "s3://no-such-bucket/received"
    with Receiver(target, "--storage-options", json.dumps(store.options)) as receiver:
        assert receiver.post([posted(1)]).status_code == 503
        receiver.stop()
    assert "Storing fails" in receiver.said
    assert "Traceback" not in receiver.said


def test_killed_while_writing_objects(store: Store, run: Run) -> None:
    target = f"s3://{store.bucket}/received"
    accepted = []
    for number in range(3):
        with Receiver(target, "--storage-options", json.dumps(store.options)) as receiver:
            for item in range(5):
                assert receiver.post([posted(10 * number + item)]).status_code == 200
                accepted.append(10 * number + item)
            receiver.kill()
    assert sorted(numbers_of(run(**settings(store, "received")))) == accepted
