"""HTTP answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from starlette.responses import Response

from split_amplitude_sandbox.store import ndjson


def json_answer(body: Any, status: int = 200) -> Response:
    """An answer with a JSON body."""
    return Response(msgspec.json.encode(body), status, media_type="application/json")


def lines_answer(objects: Iterable[bytes]) -> Response:
    """An answer of JSON texts, one per line."""
    return Response(ndjson(objects), media_type="application/x-ndjson")
