"""The bare floor: the same files through the same libraries to the same records, without Singer and without any check.

`floor.py FILE`: decode, id, times, encode, write. `floor.py FILE copy`: decode and encode alone, to tell their share.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec

decode, encode = msgspec.json.Decoder().decode, msgspec.json.Encoder().encode
write = sys.stdout.buffer.write


def rows_of(path: Path) -> Iterator[tuple[dict[str, Any], int]]:
    """Yield the rows of a file with their times of arrival."""
    if path.suffix == ".parquet":
        from pyarrow import parquet  # noqa: PLC0415  (40 MB that the other format does without)

        for batch in parquet.ParquetFile(path).iter_batches(2000):
            for row in batch.to_pylist():
                yield row, row["receptionTimestamp"]
        return
    if path.suffix != ".jsonl":
        yield from plain_rows(path)
        return
    with path.open("rb") as lines:
        for line in lines:
            stored = decode(line)
            for row in stored["batch"]:
                yield row.get("impression", row), stored["received"]


def plain_rows(path: Path) -> Iterator[tuple[dict[str, Any], int]]:
    """Yield the rows of a JSON document, of objects behind one another, or of CSV."""
    if path.suffix == ".json":
        rows: Any = decode(path.read_bytes())
    elif path.suffix == ".csv":
        with path.open(newline="") as text:
            for row in csv.DictReader(text):
                yield {name: value or None for name, value in row.items()}, 0
        return
    else:
        rows = map(decode, path.read_bytes().replace(b"}{", b"}\n{").split(b"\n"))
    for row in rows:
        yield row, 0


def text(moment: int) -> str:
    """Write milliseconds since 1970 as RFC 3339."""
    return datetime.fromtimestamp(moment / 1000, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def record_of(row: dict[str, Any], received: int) -> dict[str, Any]:
    """Return the record of a row."""
    get = row.get
    split = get("split") or get("splitName") or get("feature")
    version = get("splitVersionNumber") or get("splitVersion") or get("changeNumber")
    moment = get("time") or row["timestamp"]
    if type(moment) is not int:
        moment = int(float(moment))
    key, bucketing_key = get("key") or row["keyName"], get("bucketingKey")
    environment, label = get("environmentId"), get("label")
    natural_key = (environment, split, key, bucketing_key, row["treatment"], label, version, moment)
    properties = get("properties")
    return {
        "impression_id": blake2b(encode(natural_key), digest_size=16).hexdigest(),
        "key": key,
        "bucketing_key": bucketing_key,
        "split": split,
        "treatment": row["treatment"],
        "label": label,
        "time": text(moment),
        "split_version_number": version,
        "environment_id": environment,
        "environment_name": get("environmentName"),
        "traffic_type": "user",
        "sdk": get("sdk"),
        "sdk_version": get("sdkVersion"),
        "machine_name": get("machineName"),
        "machine_ip": get("machineIp"),
        "properties": decode(properties) if properties else None,
        "previous_time": None,
        "received_at": text(received),
    }


def main() -> None:
    copy_only = sys.argv[2:] == ["copy"]
    for row, received in rows_of(Path(sys.argv[1])):
        if copy_only:
            write(encode(row))
        else:
            write(encode({"type": "RECORD", "stream": "impressions", "record": record_of(row, received)}))
        write(b"\n")


if __name__ == "__main__":
    main()
