"""Behavioral cohorts: the list, and a member list by request, poll and download.

Source: https://amplitude.com/docs/apis/analytics/behavioral-cohorts.
"""

from __future__ import annotations

import csv
import io
import secrets
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from split_amplitude_sandbox.amplitude.answers import require_read_access, rest_error
from split_amplitude_sandbox.amplitude.export_row import PROJECT_ID
from split_amplitude_sandbox.answers import json_answer
from split_amplitude_sandbox.clock import Clock
from split_amplitude_sandbox.store import Store

DEFAULT_POLLS = 2
LARGE_FILE_MEMBERS = 10_000
"""A longer list is fetched through a redirect; Amplitude does not say where its limit lies."""
LINK_SECONDS = 60
FILE_PATH = "/amplitude-cohort-files/{request_id}.csv"
OTHER_HOST = {"localhost": "127.0.0.1", "127.0.0.1": "localhost"}
"""The file store has another host name than the API, and both are this machine."""
IN_PROGRESS, COMPLETED = "JOB INPROGRESS", "JOB COMPLETED"
OWN_MEMBERS = frozenset({"members", "polls", "large", "last_computed", "syncMetadata"})
STORAGE_ERROR = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{}</Code><Message>{}</Message></Error>'


class Cohort(msgspec.Struct):
    """What a planted cohort needs; all its other members go to the list as they are."""

    id: str
    name: str
    members: list[dict[str, Any]] = []
    last_computed: int | None = None


class Cohorts:
    """The planted cohorts, as Amplitude's API gives them."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def routes(self) -> list[Route]:
        """The documented addresses, and the one of the file store."""
        return [
            Route("/api/3/cohorts", self.listing, methods=["GET"]),
            Route("/api/5/cohorts/request/{cohort_id}", self.order, methods=["GET"]),
            Route("/api/5/cohorts/request-status/{request_id}", self.status, methods=["GET"]),
            Route("/api/5/cohorts/request/{request_id}/file", self.file, methods=["GET"]),
            Route(FILE_PATH, self.stored_file, methods=["GET"]),
        ]

    def put(self, body: bytes) -> int:
        """Plant cohorts; one of the same id is replaced.

        Raises:
            msgspec.ValidationError: a cohort has no id or no name, or its members are no objects.
        """
        cohorts = msgspec.json.decode(body, type=list[dict[str, Any]])
        for cohort in cohorts:
            checked = msgspec.convert(cohort, Cohort)
            computed = checked.last_computed or self._clock.now_ms() // 1000
            self._store.put_document("cohort", checked.id, cohort | {"last_computed": computed})
        return len(cohorts)

    async def listing(self, request: Request) -> Response:
        """All published cohorts at once."""
        require_read_access(request)
        with_syncs = request.query_params.get("includeSyncInfo") == "true"
        cohorts = [_listed(cohort, with_syncs=with_syncs) for cohort in self._store.documents("cohort")]
        return json_answer({"cohorts": [cohort for cohort in cohorts if cohort["published"]]})

    async def order(self, request: Request) -> Response:
        """Ask for a cohort's members."""
        require_read_access(request)
        cohort_id = request.path_params["cohort_id"]
        cohort = self._store.document("cohort", cohort_id)
        if cohort is None:
            raise rest_error(404, "Cohort not found")
        wanted = request.query_params.getlist("propKeys") if request.query_params.get("props") == "1" else None
        order = {
            "request_id": secrets.token_urlsafe(6),
            "cohort_id": cohort_id,
            "properties": wanted,
            "polls": cohort.get("polls", DEFAULT_POLLS),
        }
        self._store.put_document("cohort request", order["request_id"], order)
        return json_answer({"request_id": order["request_id"], "cohort_id": cohort_id}, 202)

    async def status(self, request: Request) -> Response:
        """Ask whether the list is ready; the first times it is not."""
        order = self._order_of(request)
        waiting = order["polls"] > 0
        self._store.put_document("cohort request", order["request_id"], order | {"polls": order["polls"] - 1})
        return json_answer(
            {
                "request_id": order["request_id"],
                "cohort_id": order["cohort_id"],
                "async_status": IN_PROGRESS if waiting else COMPLETED,
            },
            202 if waiting else 200,
        )

    async def file(self, request: Request) -> Response:
        """The list itself, or where it lies when it is long."""
        order = self._order_of(request)
        if order["polls"] >= 0:
            raise rest_error(404, "Cohort not found")
        cohort = self._store.document("cohort", order["cohort_id"]) or {}
        members = cohort.get("members", [])
        if not cohort.get("large", len(members) > LARGE_FILE_MEMBERS):
            request.state.items = len(members)
            return Response(_table(members, order["properties"]), media_type="text/csv")
        host = request.url.hostname or ""
        expires = self._clock.now_ms() // 1000 + LINK_SECONDS
        path = FILE_PATH.format(request_id=order["request_id"])
        location = f"http://{OTHER_HOST.get(host, host)}:{request.url.port or 80}{path}?Expires={expires}"
        return RedirectResponse(location, 302)

    async def stored_file(self, request: Request) -> Response:
        """The list in the file store, which refuses a second way of signing in, as S3 does."""
        if "authorization" in request.headers:
            return _storage_error(400, "InvalidArgument", "Only one auth mechanism allowed")
        if not self._clock.now_ms() // 1000 <= int(request.query_params.get("Expires", "0")):
            return _storage_error(403, "AccessDenied", "Request has expired")
        order = self._store.document("cohort request", request.path_params["request_id"])
        if order is None:
            return _storage_error(404, "NoSuchKey", "The specified key does not exist.")
        members = (self._store.document("cohort", order["cohort_id"]) or {}).get("members", [])
        request.state.items = len(members)
        return Response(_table(members, order["properties"]), media_type="text/csv")

    def _order_of(self, request: Request) -> dict[str, Any]:
        require_read_access(request)
        order: dict[str, Any] | None = self._store.document("cohort request", request.path_params["request_id"])
        if order is None:
            raise rest_error(404, "Request not found")
        return order


def _listed(cohort: dict[str, Any], *, with_syncs: bool) -> dict[str, Any]:
    """A cohort as the list shows it."""
    shown = {
        "appId": PROJECT_ID,
        "archived": False,
        "definition": {"version": 3, "countGroup": {"name": "User", "is_computed": False}},
        "description": "",
        "finished": True,
        "id": cohort["id"],
        "name": cohort["name"],
        "owners": ["owner@example.com"],
        "viewers": [],
        "published": True,
        "size": len(cohort.get("members", [])),
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
    """The members as CSV: ids, and as many properties as were asked for (an empty list: all).

    The list of a group cohort has the one column `group_value`, and a tab before each text.
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


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _storage_error(status: int, code: str, message: str) -> Response:
    return Response(STORAGE_ERROR.format(code, message), status, media_type="application/xml")
