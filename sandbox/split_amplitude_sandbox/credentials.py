"""The credentials of a request in every form in which a careless service may echo them."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Iterator
from urllib.parse import parse_qs, quote

import msgspec
from starlette.datastructures import Headers
from starlette.types import Scope

from split_amplitude_sandbox.compression import TooLargeError, unzipped

FIELD = "api_key"


class KeyOnly(msgspec.Struct):
    """A JSON body of which only the key matters."""

    api_key: str = ""


def echo_text(scope: Scope, body: bytes) -> str:
    """One line with the Authorization header and each secret: plain, in base64, and encoded for URLs."""
    headers = Headers(scope=scope)
    forms = [f"Authorization: {headers['authorization']}"] if "authorization" in headers else []
    for secret in dict.fromkeys(_secrets(scope, body)):
        plain = secret.encode()
        forms += [
            secret,
            base64.b64encode(plain).decode(),
            base64.urlsafe_b64encode(plain).decode().rstrip("="),
            quote(secret, safe=""),
        ]
    return "The request was not understood: " + "; ".join(forms)


def _secrets(scope: Scope, body: bytes) -> Iterator[str]:
    headers = Headers(scope=scope)
    scheme, _, credential = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        decoded = _decoded(credential)
        yield decoded
        yield from decoded.split(":", 1)
    elif credential:
        yield credential
    if "x-api-key" in headers:
        yield headers["x-api-key"]
    yield from parse_qs(scope["query_string"].decode("latin-1")).get(FIELD, [])
    yield from _key_of(body)


def _decoded(credential: str) -> str:
    try:
        return base64.b64decode(credential, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return credential


def _key_of(body: bytes) -> list[str]:
    try:
        content = unzipped(body)
    except (TooLargeError, zlib.error):
        return []
    try:
        key = msgspec.json.decode(content, type=KeyOnly).api_key
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return parse_qs(content.decode("latin-1")).get(FIELD, [])
    return [key] if key else []
