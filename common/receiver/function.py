"""The receiver as an AWS Lambda function: each event is one sealed object, stored before the answer.

A function may be frozen or gone after its answer, so there is neither a journal nor an open file.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from typing import Any

from .access import cors_headers, has_token
from .app import Options, Parse
from .aws import HttpRequest, Message, http_request, messages
from .bodies import BodyTooLargeError, InvalidBodyError, Parsed, decompress
from .files import Storage

logger = logging.getLogger("receiver")


class Function:
    """Handles Lambda events.

    Args:
        storage: Where batches are stored.
        parse: Makes lines of a body.
        options: Token, origins and limits. The token is for HTTP requests; AWS itself authenticates the other sources.
        is_payload: Whether an event is the payload itself, as a REST API without proxy integration passes it on.
    """

    def __init__(
        self, storage: Storage, parse: Parse, options: Options, is_payload: Callable[[Any], bool] = lambda _event: False
    ) -> None:
        self._storage = storage
        self._parse = parse
        self._options = options
        self._is_payload = is_payload

    def __call__(self, event: Any, _context: Any = None) -> dict[str, Any] | None:
        """Store what an event brings.

        Returns:
            The HTTP response, or for queues and streams `{"batchItemFailures": …}`.

        Raises:
            UnknownEventError: The event is of an unknown kind.
            InvalidBodyError: An event that is the payload itself, or a message of SNS, holds nothing to store.
            OSError: Such an event could not be stored; AWS tries again.
        """
        if request := http_request(event):
            return self._respond(request)
        if self._is_payload(event):
            parsed = self._parsed(json.dumps(event, separators=(",", ":")).encode(), "")
            self._commit([parsed])
            return {"accepted": parsed.accepted, "rejected": parsed.rejected}
        return self._take(list(messages(event)))

    def _respond(self, request: HttpRequest) -> dict[str, Any]:
        origin = request.headers.get("origin", "")
        allowed = self._options.allow_origin
        headers = cors_headers(origin, allowed, preflight=request.method == "OPTIONS")
        status, body = self._answer(request)
        return {
            "statusCode": status,
            "headers": {
                "content-type": "application/json",
                **{name.decode(): value.decode("latin-1") for name, value in headers},
            },
            "body": json.dumps(body) if body else "",
            "isBase64Encoded": False,
        }

    def _answer(self, request: HttpRequest) -> tuple[int, dict[str, Any]]:
        # Stages and resources of API Gateway put their names before the path.
        if request.method in {"GET", "HEAD"} and request.path.rstrip("/").endswith("/health"):
            return 200, {"status": "ok"}
        if request.method == "OPTIONS" and self._options.allow_origin:
            return 204, {}
        if request.method != "POST":
            return 405, {"error": "Use POST."}
        if not has_token(self._options.token, request.query, request.headers.get("authorization", "")):
            return 401, {"error": "The token is missing or wrong."}
        return self._post(request)

    def _post(self, request: HttpRequest) -> tuple[int, dict[str, Any]]:
        try:
            parsed = self._parsed(request.body, request.headers.get("content-encoding", ""))
            self._commit([parsed])
        except BodyTooLargeError:
            return 413, {"error": f"The body is larger than {self._options.max_body_bytes} bytes."}
        except InvalidBodyError as reason:
            return 400, {"error": f"Nothing to store: {reason}."}
        except OSError:
            return 503, {"error": "The batch could not be stored; send it again."}
        return 200, {"accepted": parsed.accepted, "rejected": parsed.rejected}

    def _take(self, received: list[Message]) -> dict[str, Any]:
        """Store messages as one object; those that hold nothing to store are reported, so that only they come again."""
        good: list[Parsed] = []
        failed: list[Message] = []
        for number, message in enumerate(received):
            try:
                good.append(self._parsed(message.body, ""))
            except (InvalidBodyError, BodyTooLargeError) as error:
                logger.error("A message was not stored: %s.", error or "it is too large")
                if message.is_ordered:
                    failed += received[number:]
                    break
                failed.append(message)
        self._commit(good)
        if any(message.identifier is None for message in failed):
            raise InvalidBodyError(f"{len(failed)} of {len(received)} messages hold nothing to store")
        return {"batchItemFailures": [{"itemIdentifier": message.identifier} for message in failed]}

    def _parsed(self, body: bytes, encoding: str) -> Parsed:
        parsed = self._parse(decompress(body, self._options.max_body_bytes, encoding), time.time_ns() // 1_000_000)
        if parsed.rejected:
            logger.warning("%d records of a batch were rejected.", parsed.rejected)
        return parsed

    def _commit(self, batches: list[Parsed]) -> None:
        """Store batches; after an `OSError` nothing of them is stored."""
        lines, rejects = b"".join(batch.lines for batch in batches), b"".join(batch.rejects for batch in batches)
        try:
            if lines or rejects:
                self._storage.commit(lines, rejects)
        except Exception as error:
            logger.error("A batch could not be stored: %s.", type(error).__name__)
            if isinstance(error, OSError):
                raise
            raise OSError(type(error).__name__) from None  # not all that storage libraries raise are OSErrors
