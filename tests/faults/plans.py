"""Random faults, as documentation and experience know them; the sandbox has names for those of proxies and clocks."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

HTML = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
SOON = {"Retry-After": "0"}

ANY_SERVICE = [
    {"status": 500, "body": HTML},
    {"status": 502, "body": HTML},
    {"status": 503, "body": ""},
    {"status": 429, "headers": SOON, "body": ""},
    {"kind": "cut"},
    {"kind": "delay", "delay_seconds": 0.3},
]
SMALL_PIECES = {"kind": "trickle", "chunk_bytes": 1_000, "delay_seconds": 0.02}
# Something else than the service answers: a portal, a proxy, a broken load balancer, a service that echoes.
FOREIGN = [
    {"preset": name}
    for name in (
        "login_page",
        "foreign_code",
        "foreign_message",
        "foreign_text",
        "empty_success",
        "html_404",
        "html_502",
        "redirect_to_404",
        "nested_json",
        "nested_json_error",
        "huge_content_length",
        "not_http",
        "echo_400",
        "echo_403",
        "echo_500",
        "clock_ahead",
        "clock_behind",
    )
]
# A proxy that does not pass compressed requests on; only target-amplitude sends such.
COMPRESSED = [{"preset": name} for name in ("gzip_refused_400", "gzip_refused_415", "encoding_stripped")]
# How long to wait, as nobody can mean it.
WAITS = [
    {"preset": name}
    for name in (
        "retry_after_day",
        "retry_after_20_digits",
        "retry_after_date",
        "retry_after_past_date",
        "retry_after_zero",
        "retry_after_negative",
        "retry_after_nan",
        "retry_after_text",
        "rate_limit_reset_negative",
        "rate_limit_reset_nan",
        "rate_limit_reset_day",
        "rate_limit_without_headers",
    )
]
FOREIGN_SHARE = 0.4
COMPRESSED_SHARE = 0.15
COMPRESSING_PATHS = ("/batch", "/2/httpapi")
# What may have been stored although the sender cannot know.
LOST_ANSWERS = [{"kind": "lost"}, {"kind": "lost"}]
INGESTION = [
    *ANY_SERVICE,
    *LOST_ANSWERS,
    {"status": 504, "body": HTML},
    {"status": 200, "body": HTML},
    {"status": 413, "body": {"code": 413, "error": "Payload too large"}},
    {"status": 400, "body": {"code": 400, "error": "Invalid event JSON"}},
    {"status": 403, "body": {"code": 403, "error": "Forbidden"}},
    {"status": 429, "headers": SOON, "body": {"code": 429, "error": "Too many requests", "throttled_events": [0]}},
]
IDENTIFY = [*ANY_SERVICE, *LOST_ANSWERS]
EXPORT = [
    *ANY_SERVICE,
    {"status": 504, "body": HTML},
    SMALL_PIECES,
    {"status": 400, "body": "the archive would exceed 4 GB"},
    {"status": 200, "body": HTML},
    {"kind": "cut", "after_bytes": 2_000},
    {"kind": "cut", "after_bytes": 20_000},
]
SPLIT_EVENTS = [
    *ANY_SERVICE,
    *LOST_ANSWERS,
    {"status": 413, "body": ""},
    {"status": 400, "body": {"code": 400, "message": "malformed"}},
]
ADMIN = [
    *ANY_SERVICE,
    *LOST_ANSWERS,
    {
        "status": 429,
        "body": {"code": 429, "message": "TOO_MANY_REQUESTS"},
        "headers": {"X-RateLimit-Reset-Seconds-Org": "0", "X-RateLimit-Reset-Seconds-IP": "0"},
    },
]
FAULTS = {
    "/batch": INGESTION,
    "/2/httpapi": INGESTION,
    "/identify": IDENTIFY,
    "/api/2/export": EXPORT,
    "/api/5/cohorts/*": [*ANY_SERVICE, SMALL_PIECES, {"kind": "cut", "after_bytes": 500}],
    "/api/3/cohorts": ANY_SERVICE,
    "/api/events*": SPLIT_EVENTS,
    "/internal/api/v2/*": ADMIN,
}


def random_faults(chance: random.Random, paths: Sequence[str]) -> list[dict[str, Any]]:
    """Return up to four fault plans on some of the paths a pipeline uses, each to fire a few times at some point."""
    plans = []
    if any(path in COMPRESSING_PATHS for path in paths) and chance.random() < COMPRESSED_SHARE:
        plans.append(chance.choice(COMPRESSED) | {"path": "*"})
    for _ in range(chance.randrange(5)):
        path = chance.choice(paths)
        plan = {"path": path, "skip": chance.randrange(4), "times": chance.randrange(1, 4)}
        kinds = chance.choice([FOREIGN, WAITS]) if chance.random() < FOREIGN_SHARE else FAULTS[path]
        plans.append(chance.choice(kinds) | plan)
    return plans


def name_of(plan: dict[str, Any]) -> str:
    """Return what a fault is called in the report."""
    kind = plan.get("kind")
    if plan.get("preset"):
        return str(plan["preset"]).replace("_", " ")
    if kind == "cut":
        return "answer cut in the middle" if plan.get("after_bytes") else "connection cut"
    if kind == "lost":
        return "stored, answer lost"
    if kind == "delay":
        return "slow answer"
    if kind == "trickle":
        return "answer in small pieces"
    return "HTML with status 200" if plan["status"] == 200 else f"HTTP {plan['status']}"


def all_names() -> set[str]:
    """Return the names of all faults that `random_faults` knows."""
    plans = [*FOREIGN, *WAITS, *COMPRESSED, *(plan for kinds in FAULTS.values() for plan in kinds)]
    return {name_of(plan) for plan in plans}
