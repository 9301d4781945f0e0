"""Behavioral cohorts: the list, and a member list by request, poll and download.

Source: https://amplitude.com/docs/apis/analytics/behavioral-cohorts.
"""

from __future__ import annotations

import csv
import io
import secrets
from datetime import timedelta
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from split_amplitude_sandbox.amplitude.answers import require_read_access, rest_error
from split_amplitude_sandbox.amplitude.export_row import PROJECT_ID
from split_amplitude_sandbox.amplitude.services import Services
from split_amplitude_sandbox.answers import json_answer
from split_amplitude_sandbox.calls import OWN, Calls, call, planting
from split_amplitude_sandbox.clock import from_ms

DEFAULT_POLLS = 2
LARGE_FILE_MEMBERS = 10_000
"""A longer list comes through a redirect; Amplitude does not document its limit."""
LINK_SECONDS = 60
FILE_PATH = "/amplitude-cohort-files/{request_id}.csv"
OTHER_HOST = {"localhost": "127.0.0.1", "127.0.0.1": "localhost"}
"""The file store has another host name than the API; both are this machine."""
IN_PROGRESS, COMPLETED = "JOB INPROGRESS", "JOB COMPLETED"
OWN_MEMBERS = frozenset(
    {"members", "polls", "large", "last_computed", "syncMetadata", "count_group", "file", "damaged_downloads"}
)
STORAGE_ERROR = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{}</Code><Message>{}</Message></Error>'


class Cohort(msgspec.Struct):
    """What a planted cohort may have; all other members go to the list unchanged."""

    id: str
    name: str
    members: list[dict[str, Any]] = []
    last_computed: int | None = None
    count_group: str | None = None
    file: str | None = None
    damaged_downloads: int = 0


class Cohorts(Calls[Services]):
    """The planted cohorts, as Amplitude's API shows them."""

    @call("POST", f"{OWN}/amplitude/cohorts", planting)
    def put(self, body: bytes) -> int:
        """Plant cohorts, or replace those with the same id.

        Raises:
            msgspec.ValidationError: a cohort has no id or no name, or a member is not an object.
        """
        cohorts = msgspec.json.decode(body, type=list[dict[str, Any]])
        for cohort in cohorts:
            checked = msgspec.convert(cohort, Cohort)
            computed = checked.last_computed or self._services.clock.now_ms() // 1000
            self._services.store.put_document("cohort", checked.id, cohort | {"last_computed": computed})
        return len(cohorts)

    @call("GET", "/api/3/cohorts")
    async def listing(self, request: Request) -> Response:
        """List all published cohorts; there are no pages."""
        require_read_access(request)
        with_syncs = request.query_params.get("includeSyncInfo") == "true"
        cohorts = [_listed(cohort, with_syncs=with_syncs) for cohort in self._services.store.documents("cohort")]
        return json_answer({"cohorts": [cohort for cohort in cohorts if cohort["published"]]})

    @call("GET", "/api/3/cohorts/usage")
    async def usage(self, request: Request) -> Response:
        """Show how many downloads of the month are used. No page shows the body; other connectors read two shapes."""
        require_read_access(request)
        settings = self._services.settings.current
        used, limit = settings.cohort_downloads_used, settings.cohort_downloads_limit
        if settings.cohort_usage == "missing":
            raise rest_error(404, "Not found")
        if settings.cohort_usage == "count":
            return json_answer({"limit": limit, "count": used})
        now = from_ms(self._services.clock.now_ms())
        next_month = (now.replace(day=1) + timedelta(days=32)).replace(day=1)
        resets_at = f"{next_month:%Y-%m-%d}T00:00:00Z"
        return json_answer({"rest_download": {"limit": limit, "usage": used, "resets_at": resets_at}})

    @call("GET", "/api/5/cohorts/request/{cohort_id}")
    async def order(self, request: Request) -> Response:
        """Request a cohort's members, which counts as one download."""
        require_read_access(request)
        cohort_id = request.path_params["cohort_id"]
        cohort = self._services.store.document("cohort", cohort_id)
        if cohort is None:
            raise rest_error(404, "Cohort not found")
        settings = self._services.settings.current
        limit = settings.cohort_downloads_limit
        if limit is not None and settings.cohort_downloads_used >= limit:
            raise rest_error(429, "Monthly limit of cohort downloads reached")
        settings.cohort_downloads_used += 1
        wanted = request.query_params.getlist("propKeys") if request.query_params.get("props") == "1" else None
        order = {
            "request_id": secrets.token_urlsafe(6),
            "cohort_id": cohort_id,
            "properties": wanted,
            "polls": cohort.get("polls", DEFAULT_POLLS),
        }
        self._services.store.put_document("cohort request", order["request_id"], order)
        return json_answer({"request_id": order["request_id"], "cohort_id": cohort_id}, 202)

    @call("GET", "/api/5/cohorts/request-status/{request_id}")
    async def status(self, request: Request) -> Response:
        """Tell whether the list is ready; the first few times it is not."""
        order = self._order_of(request)
        waiting = order["polls"] > 0
        self._services.store.put_document("cohort request", order["request_id"], order | {"polls": order["polls"] - 1})
        return json_answer(
            {
                "request_id": order["request_id"],
                "cohort_id": order["cohort_id"],
                "async_status": IN_PROGRESS if waiting else COMPLETED,
            },
            202 if waiting else 200,
        )

    @call("GET", "/api/5/cohorts/request/{request_id}/file")
    async def file(self, request: Request) -> Response:
        """The list itself, or a redirect to the file store when it is long."""
        order = self._order_of(request)
        if order["polls"] >= 0:
            raise rest_error(404, "Cohort not found")
        cohort = self._services.store.document("cohort", order["cohort_id"]) or {}
        members = cohort.get("members", [])
        if not cohort.get("large", len(members) > LARGE_FILE_MEMBERS):
            request.state.items = len(members)
            return Response(self._file_of(cohort, order), media_type="text/csv")
        host = request.url.hostname or ""
        expires = self._services.clock.now_ms() // 1000 + LINK_SECONDS
        path = FILE_PATH.format(request_id=order["request_id"])
        location = f"http://{OTHER_HOST.get(host, host)}:{request.url.port or 80}{path}?Expires={expires}"
        return RedirectResponse(location, 302)

    @call("GET", FILE_PATH)
    async def stored_file(self, request: Request) -> Response:
        """The list in the file store, which refuses a second authentication, as S3 does."""
        if "authorization" in request.headers:
            return _storage_error(400, "InvalidArgument", "Only one auth mechanism allowed")
        if not self._services.clock.now_ms() // 1000 <= int(request.query_params.get("Expires", "0")):
            return _storage_error(403, "AccessDenied", "Request has expired")
        order = self._services.store.document("cohort request", request.path_params["request_id"])
        if order is None:
            return _storage_error(404, "NoSuchKey", "The specified key does not exist.")
        cohort = self._services.store.document("cohort", order["cohort_id"]) or {}
        request.state.items = len(cohort.get("members", []))
        return Response(self._file_of(cohort, order), media_type="text/csv")

    def _file_of(self, cohort: dict[str, Any], order: dict[str, Any]) -> str:
        """The CSV of a cohort: planted as text, or of its members; the first downloads may be damaged."""
        text = str(cohort.get("file") or _table(cohort.get("members", []), order["properties"]))
        left = cohort.get("damaged_downloads", 0)
        if left < 1:
            return text
        self._services.store.put_document("cohort", cohort["id"], cohort | {"damaged_downloads": left - 1})
        return _damaged(text)

    def _order_of(self, request: Request) -> dict[str, Any]:
        require_read_access(request)
        if order := self._services.store.document("cohort request", request.path_params["request_id"]):
            return dict(order)
        raise rest_error(404, "Request not found")


def _listed(cohort: dict[str, Any], *, with_syncs: bool) -> dict[str, Any]:
    members = cohort.get("members", [])
    groups = bool(members) and "group_value" in members[0]
    shown = {
        "appId": PROJECT_ID,
        "archived": False,
        "definition": {
            "version": 3,
            "countGroup": {
                "name": cohort.get("count_group") or ("Company" if groups else "User"),
                "is_computed": False,
            },
        },
        "description": "",
        "finished": True,
        "id": cohort["id"],
        "name": cohort["name"],
        "owners": ["owner@example.com"],
        "viewers": [],
        "published": True,
        "size": len(members),
        "type": "redshift",
        "lastMod": cohort["last_computed"],
        "createdAt": cohort["last_computed"],
        "lastComputed": cohort["last_computed"],
        "hidden": False,
        "metadata": None,
        "view_count": None,
        "popularity": None,
        "last_viewed": None,
        "chart_id": None,
        "edit_id": None,
        "is_predictive": False,
        "is_official_content": False,
        "location_id": None,
        "shortcut_ids": [],
    }
    shown |= {name: value for name, value in cohort.items() if name not in OWN_MEMBERS}
    return shown | ({"syncMetadata": cohort.get("syncMetadata", [])} if with_syncs else {})


def _table(members: list[dict[str, Any]], properties: list[str] | None) -> str:
    """The members as CSV: ids, and the requested properties (None: none, an empty list: all).

    The list of a group cohort has only the column `group_value`, and a tab before each value.
    """
    lines = io.StringIO()
    writer = csv.writer(lines, quoting=csv.QUOTE_ALL, lineterminator="\n")
    if members and "group_value" in members[0]:
        return "".join(f"\t{text}\n" for text in ("group_value", *(one["group_value"] for one in members)))
    ids = ["amplitude_id", "user_id"]
    every = dict.fromkeys(name for member in members for name in member if name not in ids)
    names = [] if properties is None else properties or list(every)
    writer.writerow(ids + names)
    writer.writerows([_cell(member.get(name)) for name in ids + names] for member in members)
    return lines.getvalue()


def _damaged(text: str) -> str:
    """The table with an unclosed quote in its middle line; a table without quotes is cut in half."""
    lines = text.splitlines(keepends=True)
    middle = len(lines) // 2
    if not lines[middle:] or '"\n' not in lines[middle]:
        return text[: len(text) // 2]
    lines[middle] = lines[middle].replace('"\n', "\n")
    return "".join(lines)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _storage_error(status: int, code: str, message: str) -> Response:
    return Response(STORAGE_ERROR.format(code, message), status, media_type="application/xml")
