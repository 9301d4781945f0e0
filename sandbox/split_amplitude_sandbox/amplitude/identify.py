"""User and group properties: `/identify` and `/groupidentify`, form-encoded.

Sources: https://amplitude.com/docs/apis/analytics/identify and
https://amplitude.com/docs/apis/analytics/group-identify.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import parse_qs

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from split_amplitude_sandbox.amplitude import user_properties
from split_amplitude_sandbox.amplitude.answers import RefusedError
from split_amplitude_sandbox.amplitude.event import (
    DEFAULT_MIN_ID_LENGTH,
    MAX_DEPTH,
    depth,
    groups_fit,
    is_forbidden,
)
from split_amplitude_sandbox.amplitude.services import Services
from split_amplitude_sandbox.amplitude.users import Users
from split_amplitude_sandbox.calls import Calls, call
from split_amplitude_sandbox.compression import TooLargeError, unzipped
from split_amplitude_sandbox.keys import is_accepted

IDENTIFY = "/identify"
GROUP_IDENTIFY = "/groupidentify"
MAX_QUERY_LENGTH = 8190
"""Longer queries are a 414. The page gives no figure; this is the usual limit of web servers."""
MAX_GROUP_IDENTIFICATIONS = 1024
MAX_GROUP_PROPERTIES = 1024
MAX_GROUP_BYTES = 1_000_000
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

Check = Callable[[Any, int], bool]


class Options(msgspec.Struct):
    """The form field `options`, which Segment sends and Amplitude's pages do not mention."""

    min_id_length: int = DEFAULT_MIN_ID_LENGTH


class Identify(Calls[Services]):
    """Accepts identifications. No page shows the bodies of the answers; these are the legacy texts."""

    @call("GET", IDENTIFY)
    @call("POST", IDENTIFY)
    async def identify(self, request: Request) -> Response:
        """Change users' properties."""
        given = _read(await _form(request), _is_identification)
        request.state.items = len(given)
        with self._services.store.transaction():
            self._keep(IDENTIFY, given)
            self._apply(given)
        return PlainTextResponse("success")

    @call("GET", GROUP_IDENTIFY)
    @call("POST", GROUP_IDENTIFY)
    async def group_identify(self, request: Request) -> Response:
        """Record groups' properties."""
        given = _read(await _form(request), _is_group_identification)
        if len(given) > MAX_GROUP_IDENTIFICATIONS:
            raise RefusedError(400, "missing_event")
        request.state.items = len(given)
        with self._services.store.transaction():
            self._keep(GROUP_IDENTIFY, given)
        return PlainTextResponse("success")

    def _keep(self, path: str, given: Sequence[dict[str, Any]]) -> None:
        self._services.store.database.executemany(
            "INSERT INTO amplitude_identifications VALUES (NULL, ?, ?)",
            [(path, msgspec.json.encode(identification)) for identification in given],
        )
        self._services.store.count_arrivals("Amplitude identifications", {path: len(given)})

    def _apply(self, given: Sequence[dict[str, Any]]) -> None:
        moment = self._services.clock.upload_ms()
        ids = [(one.get("user_id"), one.get("device_id")) for one in given]
        identities = [f"u:{user_id}" if user_id else f"d:{device_id}" for user_id, device_id in ids]
        users = Users(self._services.store, set(identities))
        for identification, identity, (user_id, device_id) in zip(given, identities, ids, strict=True):
            user = users.get(identity, user_id, device_id)
            if properties := identification.get("user_properties"):
                user.update(properties, moment)
        users.save()


async def _form(request: Request) -> dict[str, str]:
    if request.method == "GET":
        if len(request.url.query) > MAX_QUERY_LENGTH:
            raise RefusedError(414, "URI too long")
        return dict(request.query_params)
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    if kind == MULTIPART:
        async with request.form() as fields:
            return {name: value for name, value in fields.items() if isinstance(value, str)}
    body = await request.body()
    if request.url.path == GROUP_IDENTIFY and len(body) > MAX_GROUP_BYTES:
        raise RefusedError(400, "missing_event")
    try:
        content = unzipped(body) if request.headers.get("content-encoding") == "gzip" else body
        fields_of_lists = parse_qs(content.decode(), keep_blank_values=True, strict_parsing=True)
    except (ValueError, zlib.error, TooLargeError):
        raise RefusedError(400, "missing_event") from None
    return {name: values[0] for name, values in fields_of_lists.items()} if kind == FORM else {}


def _read(form: dict[str, str], is_valid: Check) -> list[dict[str, Any]]:
    """The identifications of a form; 400 when the key is wrong, there are none, or one is not valid."""
    if not is_accepted(form.get("api_key", "")):
        raise RefusedError(400, "invalid_api_key")
    try:
        given = msgspec.json.decode(form.get("identification", ""))
        options = msgspec.json.decode(form.get("options", "{}"), type=Options)
    except msgspec.DecodeError:
        raise RefusedError(400, "missing_event") from None
    identifications = given if isinstance(given, list) else [given]
    if not identifications or not all(is_valid(one, options.min_id_length) for one in identifications):
        raise RefusedError(400, "missing_event")
    return identifications


def _is_identification(given: Any, min_id_length: int) -> bool:
    if not isinstance(given, dict):
        return False
    ids = [given[name] for name in ("user_id", "device_id") if given.get(name) is not None]
    properties = given.get("user_properties", {})
    return (
        bool(ids)
        and all(isinstance(one, str) and len(one) >= min_id_length and not is_forbidden(one) for one in ids)
        and isinstance(properties, dict)
        and user_properties.are_valid(properties)
        and depth(properties) <= MAX_DEPTH
        and isinstance(given.get("groups", {}), dict)
        and groups_fit(given.get("groups", {}))
    )


def _is_group_identification(given: Any, _: int) -> bool:
    return (
        isinstance(given, dict)
        and isinstance(given.get("group_type"), str)
        and isinstance(given.get("group_value"), str)
        and isinstance(given.get("group_properties"), dict)
        and len(given["group_properties"]) <= MAX_GROUP_PROPERTIES
        and user_properties.are_valid(given["group_properties"])
    )
