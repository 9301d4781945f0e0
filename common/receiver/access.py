"""Who may send: the shared token, and the origins of browsers (CORS). Pure."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from urllib.parse import parse_qs

PREFLIGHT_SECONDS = "86400"  # for which a browser remembers the answer


def has_token(token: str | None, query: str, authorization: str) -> bool:
    """Whether a request shows the token, as `?token=` or `Authorization: Bearer`; without one everybody may send."""
    if not token:
        return True
    scheme, _, bearer = authorization.partition(" ")
    shown = parse_qs(query, errors="surrogateescape").get("token", [])[:1]
    shown += [bearer.strip()] if scheme.lower() == "bearer" else []
    return any([hmac.compare_digest(encoded(text), encoded(token)) for text in shown])  # noqa: C419  (constant time)


def encoded(text: str) -> bytes:
    """Return a text as bytes, whatever is in it."""
    return text.encode("utf-8", "surrogateescape")


def cors_headers(origin: str, allowed: Sequence[str], *, preflight: bool = False) -> list[tuple[bytes, bytes]]:
    """Return the headers that let a browser's page send here; none for an origin that is not allowed.

    https://fetch.spec.whatwg.org/#http-cors-protocol

    Args:
        origin: The header `Origin`.
        allowed: Origins such as `https://shop.example`; `*` allows all.
        preflight: Whether this answers the browser's question before the request.
    """
    if not origin or not {origin, "*"} & set(allowed):
        return []
    headers = [(b"access-control-allow-origin", origin.encode("latin-1", "replace")), (b"vary", b"Origin")]
    if preflight:
        headers += [
            (b"access-control-allow-methods", b"POST"),
            (b"access-control-allow-headers", b"authorization, content-encoding, content-type"),
            (b"access-control-max-age", PREFLIGHT_SECONDS.encode()),
        ]
    return headers
