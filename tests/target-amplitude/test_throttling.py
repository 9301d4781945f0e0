"""Users and devices that Amplitude throttles, and those over their daily quota."""

from __future__ import annotations

import pytest

from support.amplitude_target import load
from support.faulty_loads import (
    AT_ONCE,
    MIDDLE,
    RECORDS,
    assert_all_arrived,
    at_each_place,
    load_impressions,
    rejects,
)
from support.impressions import impression, messages
from support.sandbox import Sandbox


@at_each_place
def test_silenced_events_are_rejected_and_throttled_ones_wait(skip: int, config, sandbox: Sandbox):
    body = {
        "code": 400,
        "error": "Events silenced for device_id",
        "eps_threshold": 100,
        "exceeded_daily_quota_devices": {},
        "silenced_devices": ["dev-spam"],
        "silenced_events": [5, 6],
        "throttled_devices": {"dev-busy": 112},
        "throttled_events": [3, 4],
    }
    sandbox.plan(path="/batch", skip=skip, kind="status", status=400, body=body, headers=AT_ONCE)
    loaded = load_impressions(config)
    assert_all_arrived(loaded, sandbox, rejected=2)
    assert {reject["reason"] for reject in rejects(config)} == {"refused by Amplitude (400): its id is silenced"}


@at_each_place
@pytest.mark.parametrize("over", ["throttled_users", "exceeded_daily_quota_users"])
def test_throttled_ids_wait_while_the_others_go_on(over: str, skip: int, config, sandbox: Sandbox):
    first = 2000 * skip
    body = {
        "code": 429,
        "error": "Too many requests for some devices and users",
        "eps_threshold": 1000,
        over: {f"user-{first + 9:06}": 2210},
        "throttled_events": [3],
    }
    sandbox.plan(path="/batch", skip=skip, kind="status", status=429, body=body, headers={"Retry-After": "0.3"})
    loaded = load_impressions(config)
    assert_all_arrived(loaded, sandbox)
    assert sandbox.requests()[skip + 1]["items"] == (1998 if skip == MIDDLE else 498)
    order = [event["insert_id"] for event in sandbox.amplitude_events()]
    late = {f"{first + 3:032x}", f"{first + 9:032x}"}
    of_their_request = {f"{number:032x}" for number in range(first, first + 500)} - late
    assert max(order.index(one) for one in of_their_request) < min(order.index(one) for one in late)


def test_everything_of_a_throttled_user_waits_in_order(config, sandbox: Sandbox):
    """Also what comes later, in requests that are otherwise sent."""
    body = {"code": 429, "throttled_users": {"user-hot": 40}, "throttled_events": [0]}
    sandbox.plan(path="/batch", kind="status", status=429, body=body, headers={"Retry-After": "0.5"})
    records = [impression(n, key="user-hot" if n % 1000 == 0 else f"user-{n}") for n in range(RECORDS)]
    loaded = load(config | {"max_parallel_requests": 1}, messages(records))
    assert_all_arrived(loaded, sandbox)
    hot = [event["time"] for event in sandbox.amplitude_events() if event["user_id"] == "user-hot"]
    assert hot == sorted(hot)
    assert len(hot) == 5


@at_each_place
def test_an_id_that_stays_throttled_fails_the_run_after_the_retry_timeout(skip: int, config, sandbox: Sandbox):
    user = f"user-{2000 * skip + 7:06}"
    body = {"code": 429, "throttled_users": {user: 1017}, "throttled_events": []}
    sandbox.plan(path="/batch", kind="status", status=429, body=body, times=None, when=f'"{user}"')
    loaded = load_impressions(config, retry_timeout_seconds=1)
    assert "too many events of one user" in loaded.error
    assert "retry_timeout_seconds" in loaded.error
    assert user not in loaded.error
    assert loaded.state == {"read": 2000 * skip}
    assert len(sandbox.amplitude_events()) == RECORDS - 1  # the others went on


OVER_QUOTA = "over the daily quota of events of one user or device (429)"


@at_each_place
@pytest.mark.parametrize("on_quota", ["wait", "reject"])
def test_a_user_over_the_daily_quota_is_rejected_and_the_others_go_on(
    on_quota: str, skip: int, config, sandbox: Sandbox
):
    user = f"user-{2000 * skip + 7:06}"
    body = {"code": 429, "exceeded_daily_quota_users": {user: 500_317}, "throttled_events": []}
    sandbox.plan(path="/batch", kind="status", status=429, body=body, times=None, when=f'"{user}"')
    loaded = load_impressions(config, retry_timeout_seconds=1, on_quota=on_quota)
    assert_all_arrived(loaded, sandbox, rejected=1)
    assert loaded.reasons["records_rejected", OVER_QUOTA] == 1
    (reject,) = rejects(config)
    assert (reject["record"]["key"], reject["sent"]["user_id"], reject["status"]) == (user, user, 429)
    refused = [request for request in sandbox.requests() if request["status"] == 429]
    assert len(refused) == (1 if on_quota == "reject" else 2)


def test_later_records_of_a_user_over_the_quota_do_not_wait_once_more(config, sandbox: Sandbox):
    body = {"code": 429, "exceeded_daily_quota_users": {"user-hot": 500_317}, "throttled_events": []}
    sandbox.plan(path="/batch", kind="status", status=429, body=body, times=None, when='"user-hot"')
    records = [impression(n, key="user-hot" if n % 1000 == 0 else f"user-{n}") for n in range(RECORDS)]
    settings = config | {"max_parallel_requests": 1, "retry_timeout_seconds": 1}
    loaded = load(settings, messages(records))
    assert loaded.error == ""
    assert loaded.reasons["records_rejected", OVER_QUOTA] == 5
    assert len(sandbox.amplitude_events()) == RECORDS - 5
    assert loaded.state == {"read": RECORDS}
