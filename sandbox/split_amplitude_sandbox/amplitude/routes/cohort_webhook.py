"""Cohort changes pushed to a URL, or written as lines the way stream destinations do.

Sources: https://amplitude.com/docs/data/destination-catalog/cohort-webhooks (body, headers, time limit) and
https://amplitude.com/docs/partners/receiving-behavioral-cohorts (users per message, retries). The form of a
`message_id` of users who left is not documented.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from typing import Any

import msgspec

from split_amplitude_sandbox.amplitude.routes.sender import Delivery, Sender, deliver
from split_amplitude_sandbox.amplitude.routes.sync import Difference, Member, Order, arranged, finish_sync, next_sync
from split_amplitude_sandbox.amplitude.routes.targets import Folder
from split_amplitude_sandbox.amplitude.services import Services
from split_amplitude_sandbox.calls import OWN, Calls, call, pushing

NAMESPACE = uuid.UUID("b3a1c2d4-5e6f-4a7b-8c9d-0e1f2a3b4c5d")
USERS_PER_MESSAGE = 1000
RETRIES = 8


class CohortPush(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What `POST /_sandbox/amplitude/push-cohort` takes; the README of the sandbox describes each member."""

    cohort_id: str
    url: str | None = None
    path: str | None = None
    storage_options: dict[str, Any] = {}
    separator: str = "\n"
    headers: dict[str, str] = {}
    user_properties: list[str] = []
    computed_time: int | None = None
    batch_size: int = USERS_PER_MESSAGE
    connections: int = 1
    order: Order = "sent"
    seed: int = 0
    copies: int = 1
    timeout_seconds: float = 2
    retries: int = RETRIES
    retry_seconds: float = 1


class CohortWebhook(Calls[Services]):
    """Sends additions and removals since the last push to the same destination."""

    @call("POST", f"{OWN}/amplitude/push-cohort", pushing)
    async def push(self, body: bytes) -> dict[str, Any]:
        """Push one cohort; the next push continues where the last completely delivered one ended.

        Raises:
            ValueError: a member is wrong, the cohort does not exist, or the destination leaves this machine.
        """
        push = msgspec.json.decode(body, type=CohortPush)
        target = push.url or push.path
        if target is None or (push.url and push.path):
            raise ValueError("url or path is required")
        difference = next_sync(self._services.store, target, push.cohort_id, push.computed_time)
        messages = list(_messages(push, difference))
        outgoing = arranged([message for message in messages for _ in range(push.copies)], push.order, push.seed)
        if push.url:
            deliveries = await _post(push, push.url, outgoing)
        else:
            deliveries = await asyncio.to_thread(_write, push, target, difference, outgoing)
        delivered = all(one.delivered for one in deliveries)
        if delivered:
            finish_sync(self._services.store, target, difference)
        users = sum(len(one["users"]) for one in messages)
        self._services.log.add("cohort webhook", target, users, delivered=delivered)
        return {
            "delivered": delivered,
            "messages": [
                {
                    "message_id": message["message_id"],
                    "in_cohort": message["in_cohort"],
                    "users": len(message["users"]),
                    "statuses": delivery.statuses,
                }
                for message, delivery in zip(outgoing, deliveries, strict=True)
            ],
        }


def _messages(push: CohortPush, difference: Difference) -> Iterator[dict[str, Any]]:
    """The bodies of a sync: additions, then removals."""
    cohort = difference.cohort
    sync_id = uuid.uuid5(NAMESPACE, f"{cohort['id']} {difference.computed_time} {difference.number}")
    for word, in_cohort, members in (("enter", True, difference.entering), ("exit", False, difference.exiting)):
        for number, start in enumerate(range(0, len(members), push.batch_size)):
            yield {
                "cohort_name": cohort["name"],
                "cohort_id": cohort["id"],
                "in_cohort": in_cohort,
                "computed_time": str(difference.computed_time),
                "message_id": f"{sync_id}::{word}::{number}",
                "users": [_user(one, push.user_properties) for one in members[start : start + push.batch_size]],
            }


def _user(member: Member, properties: list[str]) -> dict[str, Any]:
    """A user of a message. A group is sent like a user, because no member of the body names groups."""
    user = {"user_id": member.get("user_id", member.get("group_value"))}
    return user | ({"user_properties": {name: member.get(name) for name in properties}} if properties else {})


async def _post(push: CohortPush, url: str, messages: list[dict[str, Any]]) -> list[Delivery]:
    """Post the messages over some connections at once; each one takes the next message that is left."""
    waits = [push.retry_seconds * 2**number for number in range(push.retries)]
    deliveries: list[Delivery] = [Delivery() for _ in messages]
    left = iter(enumerate(messages))

    async def work(sender: Sender) -> None:
        try:
            for index, message in left:
                deliveries[index] = await deliver(sender, msgspec.json.encode(message), waits)
        finally:
            sender.close()

    senders = [Sender(url, push.headers, push.timeout_seconds) for _ in range(max(push.connections, 1))]
    await asyncio.gather(*map(work, senders))
    return deliveries


def _write(push: CohortPush, path: str, difference: Difference, messages: list[dict[str, Any]]) -> list[Delivery]:
    """Write the messages into one object, as a stream destination followed by a delivery stream does."""
    if messages:
        name = f"{difference.cohort['id']}-{difference.computed_time}-{difference.number}.json"
        content = b"".join(msgspec.json.encode(message) + push.separator.encode() for message in messages)
        Folder(path, push.storage_options).write(name, content)
    return [Delivery([200]) for _ in messages]
