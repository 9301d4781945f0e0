"""Ingestion: `POST /2/httpapi` and `POST /batch`.

Sources: https://amplitude.com/docs/apis/analytics/http-v2 and
https://amplitude.com/docs/apis/analytics/batch-event-upload.
"""

from __future__ import annotations

import uuid
import zlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from split_amplitude_sandbox.amplitude.answers import upload_error
from split_amplitude_sandbox.amplitude.event import DEFAULT_MIN_ID_LENGTH, Event, decode_event, read_events
from split_amplitude_sandbox.amplitude.exposure import EXPOSURE, EXPOSURE_EXPORTED, exposed_property
from split_amplitude_sandbox.amplitude.id_limits import refusal
from split_amplitude_sandbox.amplitude.services import Services
from split_amplitude_sandbox.amplitude.users import User, Users
from split_amplitude_sandbox.answers import json_answer
from split_amplitude_sandbox.calls import Calls, call
from split_amplitude_sandbox.clock import MILLISECONDS_PER_HOUR, parse_ms
from split_amplitude_sandbox.compression import TooLargeError, unzipped
from split_amplitude_sandbox.keys import is_accepted

HTTP_V2 = "/2/httpapi"
BATCH = "/batch"
MAX_BYTES = {HTTP_V2: 999_999, BATCH: 20_000_000}
"""HTTP V2: "under 1 MB"; Batch: 20 MB. Taken as powers of ten of the decompressed body."""
MAX_EVENTS = 2000
"""The sources say "under 2,000" and "up to 2,000"; the newest one says "up to"."""
DEDUPLICATION_MS = 7 * 24 * MILLISECONDS_PER_HOUR
NOT_EXPORTED = frozenset({"$identify", "$groupidentify"})
INSERT = f"INSERT INTO amplitude_events VALUES (NULL{', ?' * 14})"  # noqa: S608 - no values in it


class Options(msgspec.Struct):
    """The request's `options`."""

    min_id_length: int | None = None


class Upload(msgspec.Struct):
    """A request's body; events stay undecoded."""

    api_key: str | None = None
    events: list[msgspec.Raw] | None = None
    options: Options | None = None
    client_upload_time: str | None = None


_decoder = msgspec.json.Decoder(Upload)


class Ingestion(Calls[Services]):
    """Accepts or refuses a request as a whole."""

    @call("POST", HTTP_V2)
    @call("POST", BATCH)
    async def take(self, request: Request) -> Response:
        """Check the request and store its events."""
        path = request.url.path
        body = await _json_body(request, MAX_BYTES[path])
        upload, texts = _read_upload(body)
        request.state.items = len(texts)
        minimum = upload.options.min_id_length if upload.options else None
        events, problems = read_events(texts, DEFAULT_MIN_ID_LENGTH if minimum is None else minimum)
        if problems:
            return json_answer(problems.answer(all_indexes=path == BATCH), 400)
        refused = refusal(path, events, self._services.settings.current)
        if refused:
            return json_answer(refused, refused["code"])
        upload_ms = self._services.clock.upload_ms()
        self._keep(path, texts, events, upload_ms, self._client_upload_ms(upload, upload_ms))
        return json_answer(
            {
                "code": 200,
                "events_ingested": len(events),
                "payload_size_bytes": len(body),
                "server_upload_time": upload_ms,
            }
        )

    def _client_upload_ms(self, upload: Upload, upload_ms: int) -> int:
        """The sender's clock at the upload, with the same offset as the upload time."""
        if upload.client_upload_time is None:
            return upload_ms
        try:
            return parse_ms(upload.client_upload_time) + self._services.clock.upload_offset_ms
        except ValueError:
            raise upload_error(400, "Invalid JSON request body") from None

    def _keep(
        self,
        path: str,
        texts: Sequence[msgspec.Raw],
        events: Sequence[Event],
        upload_ms: int,
        client_upload_ms: int,
    ) -> None:
        seen = self._known_insert_ids(events, upload_ms)
        users = Users(self._services.store, {event.identity for event in events})
        rows: list[tuple[Any, ...]] = []
        uuid_beginning = str(uuid.uuid4())[:24]
        for text, event in zip(texts, events, strict=True):
            if event.insert_id:
                known = (event.insert_id, self._device_of(event))
                if known in seen:
                    continue
                seen.add(known)
            user = users.get(event.identity, event.user_id, event.device_id)
            rows.append(
                (
                    f"{uuid_beginning}{len(rows):012x}",
                    bytes(text),
                    None,
                    path,
                    user.amplitude_id,
                    *_facts(event, user, upload_ms, client_upload_ms),
                )
            )
        with self._services.store.transaction() as database:
            database.executemany(INSERT, rows)
            users.save()
            self._services.store.count_arrivals("Amplitude events", Counter(row[5] for row in rows))

    def _known_insert_ids(self, events: Sequence[Event], upload_ms: int) -> set[tuple[str, str | None]]:
        given = [event.insert_id for event in events if event.insert_id]
        rows = self._services.store.database.execute(
            "SELECT event FROM amplitude_events WHERE insert_id IN (SELECT value FROM json_each(?)) AND upload_ms > ?",
            (msgspec.json.encode(given).decode(), upload_ms - DEDUPLICATION_MS),
        )
        stored = [decode_event(text) for (text,) in rows]
        return {(event.insert_id or "", self._device_of(event)) for event in stored}

    def _device_of(self, event: Event) -> str | None:
        """The device for which an `insert_id` counts; None: for all. The two pages differ, so it is a setting."""
        return event.device_id if self._services.settings.current.insert_id_scope == "device" else None


def _facts(event: Event, user: User, upload_ms: int, client_upload_ms: int) -> tuple[Any, ...]:
    """The columns stored beside an event's text; its user is updated."""
    event_ms = upload_ms if event.time is None else event.time
    event_type = event.event_type or ""
    given = event.user_properties
    exported = event_type not in NOT_EXPORTED
    if event_type == EXPOSURE:
        event_type = EXPOSURE_EXPORTED
        given, exported = exposed_property(event.event_properties or {})
    if exported and user.created_ms is None:
        user.created_ms = event_ms
    if event.skip_user_properties_sync:
        properties = msgspec.json.encode(given or {})
    else:
        if given:
            user.update(given, upload_ms)
        properties = user.encoded_properties
    return (
        event_type,
        event.insert_id,
        upload_ms // MILLISECONDS_PER_HOUR if exported else None,
        upload_ms,
        client_upload_ms,
        event_ms,
        -1 if event.session_id is None else event.session_id,
        properties,
        user.created_ms,
    )


async def _json_body(request: Request, max_bytes: int) -> bytes:
    body = await request.body()
    if not body:
        raise upload_error(400, "Missing request body")
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise upload_error(400, "Invalid JSON request body")
    try:
        content = unzipped(body) if request.headers.get("content-encoding") == "gzip" else body
    except TooLargeError:
        raise upload_error(413, "Payload too large") from None
    except zlib.error:
        raise upload_error(400, "Invalid JSON request body") from None
    if len(content) > max_bytes:
        raise upload_error(413, "Payload too large")
    return content


def _read_upload(body: bytes) -> tuple[Upload, list[msgspec.Raw]]:
    try:
        upload = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise upload_error(400, "Invalid JSON request body") from None
    for field in ("api_key", "events"):
        if not getattr(upload, field):
            raise upload_error(
                400,
                "Request missing required field",
                missing_field=field,
                events_with_invalid_fields={},
                events_with_missing_fields={},
            )
    if not is_accepted(upload.api_key or ""):
        raise upload_error(400, f"Invalid API key: {upload.api_key}")
    events = upload.events or []
    if len(events) > MAX_EVENTS:
        raise upload_error(413, "Payload too large")
    return upload, events
