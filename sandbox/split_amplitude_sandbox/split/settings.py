"""Split's settings: the README of the sandbox describes each."""

from __future__ import annotations

from typing import Literal

import msgspec

AdminHeader = Literal["authorization", "x-api-key"]


class SplitSettings(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What `POST /_sandbox/split/settings` takes.

    `list_totals` says how lists tell the number of all entries, `keys_as` and `keys_member` how v4 shows a
    segment's keys, `v4_approvals` how it answers a write that needs an approval.
    """

    admin_headers: list[AdminHeader] = msgspec.field(default_factory=lambda: ["authorization", "x-api-key"])
    activation_404s: int = 0
    list_totals: Literal["number", "null", "absent"] = "number"
    keys_as: Literal["objects", "texts"] = "objects"
    keys_member: Literal["data", "keys", "objects"] = "data"
    v4_approvals: Literal["conflict", "forbidden", "pending"] = "conflict"
    unseen_event_types: list[str] = []
