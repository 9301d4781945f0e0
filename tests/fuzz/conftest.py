from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.scripted import Answer, ScriptedServer, scripted


@pytest.fixture
def closed() -> Iterator[ScriptedServer]:
    """A service that refuses everything, so that runs are short."""
    with scripted(lambda _: Answer(b'{"code": 400, "error": "no"}', status=400)) as server:
        yield server
