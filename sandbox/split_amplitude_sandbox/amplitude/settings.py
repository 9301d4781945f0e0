"""Amplitude's settings: the README of the sandbox describes each."""

from __future__ import annotations

from typing import Literal

import msgspec

MONTHLY_DOWNLOADS = 500

Answers = dict[str, int | None]
"""Id -> how many more requests with it are refused; null is all of them."""


class AmplitudeSettings(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What `POST /_sandbox/amplitude/settings` takes; the last five refuse ids on `/2/httpapi` and `/batch`."""

    insert_id_scope: Literal["project", "device"] = "project"
    cohort_downloads_limit: int | None = MONTHLY_DOWNLOADS
    cohort_downloads_used: int = 0
    cohort_usage: Literal["rest_download", "count", "missing"] = "rest_download"
    over_daily_quota_users: Answers = {}
    over_daily_quota_devices: Answers = {}
    throttled_users: Answers = {}
    throttled_devices: Answers = {}
    silenced_devices: list[str] = []
