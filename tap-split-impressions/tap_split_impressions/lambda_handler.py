"""The receiver as an AWS Lambda function, behind a function URL, API Gateway (REST or HTTP) or a load balancer.

Handler: `tap_split_impressions.lambda_handler.lambda_handler`. Settings come from the environment, see
`webhook.create_app`. Each request becomes one sealed object, since a function may be frozen or gone after its answer.
"""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Any

from mangum import Mangum
from starlette.types import Receive, Scope, Send

from tap_split_impressions.webhook import create_app


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one event."""
    # Mangum runs in the thread's current loop, which Python does not make of itself any more.
    asyncio.set_event_loop(event_loop())
    return handler()(event, context)


@cache
def event_loop() -> asyncio.AbstractEventLoop:
    """Return the loop of all events."""
    return asyncio.new_event_loop()


@cache
def handler() -> Mangum:
    """Return the application, made at the first event so that a wrong setting shows in the function's log."""
    app = create_app(seal_seconds=0)

    async def at_any_path(scope: Scope, receive: Receive, send: Send) -> None:
        # Stages and resources of API Gateway put their names before the path.
        path = "/health" if scope["path"].rstrip("/").endswith("/health") else "/"
        await app({**scope, "path": path}, receive, send)

    return Mangum(at_any_path, lifespan="off")
