"""Limits of the application that no test of a process can wait for: time for a body, and bodies coming in at once."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from pathlib import Path
from typing import Any

from support.receiver import posted, stored_batches
from tap_split_impressions.webhook import create_app


def status_of(folder: Path, *chunks: bytes, complete: bool = True, **options: Any) -> int:
    """Post a body in chunks to a new application; return the status of its answer."""

    async def post() -> int:
        app = create_app(str(folder), seal_seconds=0)
        app.options = dataclasses.replace(app.options, **options)
        waiting = list(chunks)
        answers: list[Any] = []

        async def receive() -> dict[str, Any]:
            if waiting:
                body = waiting.pop(0)
                return {"type": "http.request", "body": body, "more_body": bool(waiting) or not complete}
            return await asyncio.Event().wait()  # a client that says nothing more

        async def send(message: dict[str, Any]) -> None:
            answers.append(message)

        scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": []}
        await app(scope, receive, send)
        return answers[0]["status"]

    return asyncio.run(post())


BODY = json.dumps([posted(1)]).encode()


def test_a_body_in_pieces_is_stored(folder: Path) -> None:
    assert status_of(folder, BODY[:7], BODY[7:]) == 200
    assert stored_batches(folder) == [[posted(1)]]


def test_a_body_that_takes_too_long_is_given_up(folder: Path) -> None:
    assert status_of(folder, BODY[:7], complete=False, body_seconds=0.05) == 408
    assert stored_batches(folder) == []


def test_more_bodies_than_can_be_held_are_refused(folder: Path) -> None:
    assert status_of(folder, BODY, max_held_bytes=len(BODY) - 1) == 503
    assert status_of(folder, BODY, max_held_bytes=len(BODY)) == 200


def test_a_large_body_is_checked_aside(folder: Path) -> None:
    assert status_of(folder, BODY, large_body_bytes=10) == 200
    assert status_of(folder, b'{"no": "impressions"}', large_body_bytes=10) == 400
