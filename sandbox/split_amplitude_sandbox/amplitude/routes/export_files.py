"""Raw events and merged users as files, the way the S3 and GCS exports write them.

Sources: https://amplitude.com/docs/data/destination-catalog/amazon-s3 and
https://amplitude.com/docs/data/destination-catalog/google-cloud-storage. The name of a "complete" file is not
documented.
"""

from __future__ import annotations

import asyncio
import gzip
from collections import defaultdict
from typing import Any

import msgspec

from split_amplitude_sandbox.amplitude.export_row import PROJECT_ID
from split_amplitude_sandbox.amplitude.routes.targets import Folder
from split_amplitude_sandbox.amplitude.rows import file_name, pages
from split_amplitude_sandbox.amplitude.services import Services
from split_amplitude_sandbox.calls import OWN, Calls, call, pushing
from split_amplitude_sandbox.clock import MILLISECONDS_PER_HOUR, from_ms, parse_ms

CURSOR = "export cursor"
ORGANIZATION_ID = 36_042
UNDOCUMENTED = frozenset(
    {"$insert_key", "data_type", "global_user_properties", "partner_id", "plan", "source_id", "user_creation_time"}
)
"""Members of the Export API that the page about S3 does not list."""
ROWS_PER_FILE = 1000

Files = dict[str, bytes]


class MergedId(msgspec.Struct, forbid_unknown_fields=True):
    """Two users that became one; times as the Export API writes them."""

    amplitude_id: int
    merged_amplitude_id: int
    merge_server_time: str
    merge_time: str | None = None
    scope: int = ORGANIZATION_ID


class FileExport(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What `POST /_sandbox/amplitude/write-export` takes; the README of the sandbox describes each member."""

    path: str
    storage_options: dict[str, Any] = {}
    folder: str = str(PROJECT_ID)
    rows_per_file: int = ROWS_PER_FILE
    all_fields: bool = False
    complete: bool = False
    rewrite: bool = False
    merged_ids: list[MergedId] = []


class ExportFiles(Calls[Services]):
    """Writes the events that came in since the last call for the same folder."""

    @call("POST", f"{OWN}/amplitude/write-export", pushing)
    async def write(self, body: bytes) -> dict[str, Any]:
        """Write the files; events that came late make further partitions of old hours.

        Raises:
            ValueError: a member is wrong, or the path leaves this machine.
        """
        order = msgspec.json.decode(body, type=FileExport)
        target = Folder(order.path, order.storage_options)
        known = self._services.store.document(CURSOR, order.path) or {"number": 0, "parts": {}}
        parts: dict[str, int] = {} if order.rewrite else known["parts"]
        number = 0 if order.rewrite else known["number"]
        hours: defaultdict[int, list[bytes]] = defaultdict(list)
        for page in pages(self._services.store, after=number):
            for row in page:
                hours[row.hour].append(_line(order, row.row))
            number = page[-1].number
        files = _event_files(order, hours, parts) | _merged_files(order)
        for name, content in files.items():
            await asyncio.to_thread(target.write, name, content)
        self._services.store.put_document(CURSOR, order.path, {"number": number, "parts": parts})
        count = sum(map(len, hours.values()))
        self._services.log.add("export files", order.path, count, delivered=True)
        return {"files": list(files), "rows": count}


def _line(order: FileExport, row: dict[str, Any]) -> bytes:
    """One row, with the members and the time format that the page about S3 shows."""
    shown = dict(row) if order.all_fields else {name: row[name] for name in row if name not in UNDOCUMENTED}
    for name, value in shown.items():
        if name.endswith("_time") and isinstance(value, str):
            shown[name] = value.replace(" ", "T")
    return msgspec.json.encode(shown)


def _event_files(order: FileExport, hours: dict[int, list[bytes]], parts: dict[str, int]) -> Files:
    """The files of some hours; `parts` counts the files of each hour and is continued."""
    prefix = f"{order.folder}/" if order.folder else ""
    files: Files = {}
    for hour, lines in sorted(hours.items()):
        for start in range(0, len(lines), order.rows_per_file):
            part = parts.get(str(hour), 0)
            parts[str(hour)] = part + 1
            files[prefix + file_name(hour, part)] = _zipped(lines[start : start + order.rows_per_file])
        if order.complete:
            files[prefix + file_name(hour, 0).replace("#0.", "_complete.")] = _zipped([])
    return files


def _merged_files(order: FileExport) -> Files:
    """The files of merged users, one per hour of `merge_server_time`."""
    hours: defaultdict[int, list[bytes]] = defaultdict(list)
    for merged in order.merged_ids:
        hours[parse_ms(merged.merge_server_time) // MILLISECONDS_PER_HOUR].append(msgspec.json.encode(merged))
    folder = f"-{ORGANIZATION_ID}/" if order.folder else ""
    return {
        f"{folder}-{ORGANIZATION_ID}_{moment:%Y-%m-%d}_{moment.hour}.json.gz": _zipped(lines)
        for hour, lines in sorted(hours.items())
        for moment in [from_ms(hour * MILLISECONDS_PER_HOUR)]
    }


def _zipped(lines: list[bytes]) -> bytes:
    return gzip.compress(b"".join(line + b"\n" for line in lines), compresslevel=1, mtime=0)
