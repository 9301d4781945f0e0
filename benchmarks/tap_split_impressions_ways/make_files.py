"""Writes impressions as files: `make_files.py FOLDER RECORDS FORMAT FILES`, the records spread over so many files.

A program of its own, so that the measuring process stays small.
"""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
from pyarrow import parquet

from benchmarks.data import webhook_impressions

BATCH = 200
RECEIVED = 1_773_475_260_000
S3_NAMES = {
    "key": "key",
    "bucketingKey": "bucketingKey",
    "label": "label",
    "treatment": "treatment",
    "split": "splitName",
    "splitVersionNumber": "splitVersion",
    "properties": "properties",
    "environmentId": "environmentId",
    "sdk": "sdk",
    "sdkVersion": "sdkVersion",
    "machineName": "machineName",
    "machineIp": "machineIp",
    "time": "timestamp",
}
S3_SCHEMA = pa.schema(
    [
        (name, pa.int64() if name in ("splitVersion", "timestamp", "receptionTimestamp") else pa.string())
        for name in (*S3_NAMES.values(), "trafficTypeId", "receptionTimestamp")
    ]
)


def stored(rows: list[dict[str, Any]]) -> bytes:
    """What the receiver writes: a batch to a line."""
    encode = msgspec.json.Encoder().encode
    batches = (rows[at : at + BATCH] for at in range(0, len(rows), BATCH))
    return b"".join(b'{"received":%d,"batch":%b}\n' % (RECEIVED, encode(batch)) for batch in batches)


def lines(rows: list[dict[str, Any]]) -> bytes:
    """One impression to a line."""
    return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)


def exported(row: dict[str, Any]) -> dict[str, Any]:
    """What Split's S3 export writes."""
    renamed = {new: row[old] for old, new in S3_NAMES.items()}
    return renamed | {"trafficTypeId": "77d1e0f0-11aa-11ee-9d02-aa11bb22cc33", "receptionTimestamp": RECEIVED}


def main() -> None:
    folder, records, kind, files = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    folder.mkdir(parents=True)
    rows = webhook_impressions(records)
    if kind == "parquet":
        with parquet.ParquetWriter(folder / "part-0-1-a-00000-1-c000.snappy.parquet", S3_SCHEMA) as writer:
            while block := [exported(row) for row in islice(rows, 200_000)]:
                writer.write_table(pa.Table.from_pylist(block, S3_SCHEMA))
        return
    per_file = records // files
    for number in range(files):
        name = f"impressions-20260314T000000Z-0123456789ab-{number:06}.jsonl"
        with (folder / name).open("wb") as file:
            left = per_file
            while left and (block := list(islice(rows, min(left, 50_000)))):
                left -= len(block)
                file.write(stored(block) if kind == "stored" else lines(block))


main()
