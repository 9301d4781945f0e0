"""Amplitude's ingestion endpoints: their URLs, their limits, and what a request to each looks like. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote_plus, unquote_plus

import msgspec

# https://amplitude.com/docs/apis/analytics/http-v2 and .../batch-event-upload, "Endpoints"
HOSTS = {"us": "https://api2.amplitude.com", "eu": "https://api.eu.amplitude.com"}


@dataclass(frozen=True)
class Endpoint:
    """An endpoint and its limits.

    Attributes:
        path: Of the URL.
        max_items: Most events of a request.
        max_bytes: Most bytes of its body before compression; megabytes read as powers of ten, the smaller reading.
        throttle_seconds: How long to hold back an id that is sent too often.
        project_throttle_seconds: How long to wait when a 429 names no ids.
    """

    path: str
    max_items: int
    max_bytes: int
    throttle_seconds: float
    project_throttle_seconds: float


# A 429 that names no ids is about the project: https://amplitude.com/docs/sdks/sdk-debugging, "wait 60 seconds"
PROJECT_THROTTLE_SECONDS = 60.0
ENDPOINTS = {
    # "20 MB", "2,000 events", "15 seconds": https://amplitude.com/docs/apis/analytics/batch-event-upload
    "batch": Endpoint("/batch", 2000, 20_000_000, 15, PROJECT_THROTTLE_SECONDS),
    # "under 1 MB", "under 2,000 events", "30 seconds": https://amplitude.com/docs/apis/analytics/http-v2
    "http": Endpoint("/2/httpapi", 1999, 999_999, 30, PROJECT_THROTTLE_SECONDS),
}
# No limits of /identify are published; these are those of /groupidentify, rounded down.
# https://amplitude.com/docs/apis/analytics/group-identify: 1,024 identifications, 1 MB
# "wait 15 seconds and keep retrying": https://amplitude.com/docs/apis/analytics/identify, status 429
IDENTIFY_MAX_ITEMS = 1000
IDENTIFY_MAX_BYTES = 1_000_000
IDENTIFY_THROTTLE_SECONDS = 15


@dataclass(frozen=True)
class Route:
    """How one kind of payload is sent.

    Attributes:
        kind: What is sent, in words.
        endpoint: Where to, and how much in one request.
        head, separator, tail: What stands before, between and after the parts of a body.
        is_form: Whether the body is a form, its parts percent-encoded JSON; else JSON.
    """

    kind: str
    endpoint: Endpoint
    head: bytes
    separator: bytes
    tail: bytes
    is_form: bool = False

    @cached_property
    def frame_bytes(self) -> int:
        """Bytes of a body without its parts."""
        return len(self.head) + len(self.tail)

    def part(self, json_text: bytes) -> bytes:
        """Return one payload as it stands in a body."""
        return quote_plus(json_text).encode() if self.is_form else json_text

    def json_text(self, part: bytes) -> bytes:
        """Return the payload of a part, as JSON."""
        return unquote_plus(part.decode()).encode() if self.is_form else part

    def body(self, parts: Sequence[bytes]) -> bytes:
        """Return a request's body before compression."""
        return b"".join((self.head, self.separator.join(parts), self.tail))


def events_route(api_key: str, endpoint: str, min_id_length: int) -> Route:
    """Return how events are sent."""
    frame = {"api_key": api_key, "options": {"min_id_length": min_id_length}, "events": []}
    head = msgspec.json.encode(frame).removesuffix(b"]}")
    return Route("events", ENDPOINTS[endpoint], head, b",", b"]}")


def identify_route(api_key: str, min_id_length: int) -> Route:
    """Return how identifications of users are sent through the Identify API.

    `options` is not documented for this API, but Amplitude's partners send it, and short ids fail without it.
    """
    options = quote_plus(msgspec.json.encode({"min_id_length": min_id_length})).encode()
    return _form_route("identifications", "/identify", api_key, b"&options=" + options)


def group_identify_route(api_key: str) -> Route:
    """Return how identifications of groups are sent."""
    return _form_route("group identifications", "/groupidentify", api_key)


def _form_route(kind: str, path: str, api_key: str, fields: bytes = b"") -> Route:
    endpoint = Endpoint(
        path, IDENTIFY_MAX_ITEMS, IDENTIFY_MAX_BYTES, IDENTIFY_THROTTLE_SECONDS, IDENTIFY_THROTTLE_SECONDS
    )
    head = b"api_key=" + quote_plus(api_key).encode() + fields + b"&identification=%5B"
    return Route(kind, endpoint, head, b"%2C", b"%5D", is_form=True)
