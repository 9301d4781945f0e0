"""Writes impressions as files: `make_files.py FOLDER RECORDS FORMAT FILES`, the records spread over so many files.

A program of its own, so that the measuring process stays small.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable
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
LISTENED = ("treatment", "time", "label", "bucketingKey")
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


def listener(row: dict[str, Any]) -> dict[str, Any]:
    """What a JavaScript listener posts."""
    names = {"feature": "split", "keyName": "key", "changeNumber": "splitVersionNumber"}
    inner = {name: row[names.get(name, name)] for name in ("feature", "keyName", "changeNumber", *LISTENED)}
    return {"impression": inner, "ip": False, "hostname": False, "sdkLanguageVersion": "nodejs-11.4.1"}


def csv_text(rows: list[dict[str, Any]]) -> bytes:
    """What Split's Data hub exports."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(rows[0])
    writer.writerows(["" if value is None else value for value in row.values()] for row in rows)
    return text.getvalue().encode()


def every(rows: list[dict[str, Any]], period: int, **changes: Any) -> list[dict[str, Any]]:
    """Change one row in so many."""
    return [row | changes if number % period == 0 else row for number, row in enumerate(rows)]


# Shapes that sources really have, by name: the file's name, and its content.
SHAPES: dict[str, tuple[str, Callable[[list[dict[str, Any]]], bytes]]] = {
    "member": ("a.jsonl", lambda rows: stored(every(rows, 1, rank=7))),
    "odd": ("a.jsonl", lambda rows: stored(every(rows, 200, rank=7, time="1773446400000"))),
    "half": ("a.jsonl", lambda rows: stored(every(rows, 200, label="HALF")).replace(b'"HALF"', b'"half \\ud83d"')),
    "text": ("a.jsonl", lambda rows: stored([row | {"time": str(row["time"])} for row in rows])),
    "float": ("a.jsonl", lambda rows: stored([row | {"time": row["time"] + 0.5} for row in rows])),
    "names": ("a.jsonl", lambda rows: stored([{S3_NAMES.get(name, name): row[name] for name in row} for row in rows])),
    "listener": ("a.jsonl", lambda rows: b"".join(stored([listener(row)]) for row in rows)),
    "document": ("a.json", msgspec.json.encode),
    "adjoining": ("stream-1-2026-03-14", lambda rows: b"".join(map(msgspec.json.encode, rows))),
    "csv": ("a.csv", csv_text),
}


def exported(row: dict[str, Any]) -> dict[str, Any]:
    """What Split's S3 export writes."""
    renamed = {new: row[old] for old, new in S3_NAMES.items()}
    return renamed | {"trafficTypeId": "77d1e0f0-11aa-11ee-9d02-aa11bb22cc33", "receptionTimestamp": RECEIVED}


def main() -> None:
    folder, records, kind, files = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    folder.mkdir(parents=True)
    rows = webhook_impressions(records)
    if kind in SHAPES:
        name, content = SHAPES[kind]
        (folder / name).write_bytes(content(list(rows)))
        return
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
