"""What a file in the folder holds: told by its name where Amplitude or the receiver gave it one, else by its content.

| name | holds | source |
| --- | --- | --- |
| `PROJECT_2026-03-14_9#417.json.gz` | events of an hour | …/destination-catalog/amazon-s3, …/google-cloud-storage |
| `-ORG_2026-03-14_9.json.gz` | merged Amplitude ids | the same |
| `PROJECT_COHORT_TIME_entering_KEY.csv`, `exiting`, `existing` | cohort changes | …/amazon-s3-cohort |
| `amplitude-20260314T092653Z-….jsonl` | what the receiver stored | `receiver/payloads.py` |

Pure, but for `kind_of_content`, which reads the beginning of a file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from typing import IO, Any, NamedTuple

from tap_amplitude.common.compression import DAMAGE
from tap_amplitude.common.folder.file import OPEN_SUFFIX, is_sealed
from tap_amplitude.common.lenient_json import decoded_values
from tap_amplitude.export.lines import decompressed

FILE_PREFIX = "amplitude"
SNIFFED_BYTES = 1 << 20


class Kind(Enum):
    """What a file holds."""

    EVENTS = auto()
    MERGED_IDS = auto()
    CHANGES = auto()
    CHANGES_CSV = auto()
    RECEIVED = auto()
    NOTHING = auto()


EVENTS_NAME = re.compile(r"_\d{4}-\d\d-\d\d_\d{1,2}#\d+\.json(\.gz)?$")
MERGED_NAME = re.compile(r"^-.*_\d{4}-\d\d-\d\d(_\d{1,2})?(#\d+)?\.json(\.gz)?$")
CSV_NAME = re.compile(
    r"^(?:.*_)?(?P<cohort>[^_]+)_(?P<time>\d{4}-\d\d-\d\dT[^_]+)_(?P<list>entering|exiting|existing)(?:_.*)?\.csv(\.gz)?$"
)
HOUR = re.compile(r"_(\d{4}-\d\d-\d\d)_(\d{1,2})(?:#|_|\.)")


def name_of(path: str) -> str:
    """Return a file's name without its folders."""
    return path.rpartition("/")[2].removesuffix(OPEN_SUFFIX)


def kind_of_name(path: str) -> Kind | None:
    """Return what the name tells; None where the content must tell."""
    name = name_of(path)
    if MERGED_NAME.search(name):
        return Kind.MERGED_IDS
    if EVENTS_NAME.search(name):
        return Kind.EVENTS
    if CSV_NAME.search(name):
        return Kind.CHANGES_CSV
    if is_sealed(name) and name.startswith(f"{FILE_PREFIX}-"):
        return Kind.RECEIVED
    return None


def kind_of_content(file: IO[bytes]) -> Kind:
    """Return what the first value of a file tells; leaves the file at its beginning."""
    head = b""
    file.seek(0)
    try:
        for piece in decompressed(file):
            head += piece
            if len(head) >= SNIFFED_BYTES:
                break
    except DAMAGE:
        head = b""
    file.seek(0)
    try:
        return kind_of_value(next(decoded_values(head), None))
    except ValueError:
        return Kind.NOTHING


def kind_of_value(value: Any) -> Kind:
    """Return what a decoded value is."""
    if isinstance(value, list):
        value = value[0] if value else None
    if not isinstance(value, Mapping):
        return Kind.NOTHING
    if "in_cohort" in value:
        return Kind.CHANGES
    if "merged_amplitude_id" in value and "event_type" not in value:
        return Kind.MERGED_IDS
    return Kind.EVENTS if "event_type" in value else Kind.NOTHING


def hour_of_name(path: str) -> datetime | None:
    """Return the hour that an exported file is of; None where its name does not tell."""
    match = HOUR.search(name_of(path))
    try:
        return datetime.fromisoformat(match[1]).replace(tzinfo=UTC) + timedelta(hours=int(match[2])) if match else None
    except ValueError:
        return None


class CohortFile(NamedTuple):
    """What the name of a cohort's CSV file tells.

    Attributes:
        list_kind: `entering`, `exiting` or `existing`.
        time: When it was written; None where the name has no full time of day.
    """

    cohort_id: str
    list_kind: str
    time: datetime | None


def cohort_file(path: str) -> CohortFile:
    """Return what the name of a cohort's CSV file tells.

    The documentation prints the time of day as `HH:SS` and `HH-SS`; only a full one is taken.
    """
    match = CSV_NAME.search(name_of(path))
    if match is None:
        raise ValueError(path)
    digits = re.findall(r"\d+", match["time"])
    time = datetime(*map(int, digits[:6]), tzinfo=UTC) if len(digits) >= 6 else None  # type: ignore[misc,arg-type]  # six numbers
    return CohortFile(match["cohort"], match["list"], time)
