"""HTTP requests that the sandbox sends."""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from split_amplitude_sandbox.amplitude.routes.targets import check_url

PRESET_HEADERS = {"Content-Type": "application/json", "User-Agent": "Amplitude/Webhook/1.0"}
MAX_OWN_HEADERS = 5


class Sender:
    """Posts bodies to one URL of this machine over one connection, with up to five headers beside Amplitude's own.

    Raises:
        ValueError: the URL leaves this machine, or there are too many headers.
    """

    def __init__(self, url: str, headers: Mapping[str, str], timeout_seconds: float) -> None:
        check_url(url)
        if len(headers) > MAX_OWN_HEADERS:
            raise ValueError(f"a webhook has at most {MAX_OWN_HEADERS} headers of its own")
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=timeout_seconds)
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._headers = PRESET_HEADERS | dict(headers)

    async def post(self, body: bytes) -> int | None:
        """Post once; return the status, or None without an answer in time."""
        return await asyncio.to_thread(self._post, body)

    def _post(self, body: bytes) -> int | None:
        try:
            self._connection.request("POST", self._path, body, self._headers)
            answer = self._connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return None
        return answer.status

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@dataclass
class Delivery:
    """What became of one body: the status of each try, None for no answer."""

    statuses: list[int | None] = field(default_factory=list)

    @property
    def delivered(self) -> bool:
        """Whether the last try was answered with 2xx."""
        last = self.statuses[-1] if self.statuses else None
        return last is not None and 200 <= last < 300


async def deliver(
    sender: Sender, body: bytes, waits: Iterable[float], again: Callable[[int | None], bool] = lambda _: True
) -> Delivery:
    """Post a body until it is accepted.

    Args:
        sender: the connection.
        body: what to post.
        waits: seconds before each further try; there are no more tries than these and the first.
        again: whether to try again after a status that is not 2xx, or after no answer (None).
    """
    delivery = Delivery([await sender.post(body)])
    for seconds in waits:
        if delivery.delivered or not again(delivery.statuses[-1]):
            break
        await asyncio.sleep(seconds)
        delivery.statuses.append(await sender.post(body))
    return delivery
