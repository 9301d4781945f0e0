"""Requests are full, and never too full."""

from __future__ import annotations

import json
from itertools import pairwise
from urllib.parse import parse_qs

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from target_amplitude.api.endpoints import Route, events_route, group_identify_route, identify_route
from target_amplitude.api.outcomes import Rejected
from target_amplitude.common.target.checkpoints import Checkpoints
from target_amplitude.common.target.delivery import MessageLine
from target_amplitude.delivery.batch import Batch, Payload, check_size, chunks

ROUTES = [
    events_route('key "with" odd signs', "batch", 1),
    events_route("k", "http", 5),
    identify_route("k&=%", 1),
    group_identify_route("k"),
]
LIMITS = {
    "/batch": (2000, 20_000_000),
    "/2/httpapi": (1999, 999_999),
    "/identify": (1000, 10**6),
    "/groupidentify": (1000, 10**6),
}
every_route = pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.endpoint.path)


HOLD = Checkpoints(print).begin()
ORIGIN = MessageLine("s", b"{}", 0)


def pack(route: Route, parts: list[bytes]) -> list[Batch]:
    batches: list[Batch] = []
    for part in parts:
        if not batches or not batches[-1].add("s", part, ORIGIN):
            batches.append(Batch(route, HOLD, 0.0))
            assert batches[-1].add("s", part, ORIGIN)
    return batches


# A few large ones, or many small ones: one reaches the limit of bytes, the other that of items.
SIZES = st.lists(st.integers(2, 200_000), max_size=20) | st.builds(
    lambda sizes, times: sizes * times, st.lists(st.integers(2, 300), max_size=30), st.integers(1, 100)
)


@every_route
@given(SIZES)
@example([2] * 2500)
def test_sizes_are_exact_and_within_the_limits(route: Route, sizes: list[int]):
    parts = [b"x" * size for size in sizes]
    count, most_bytes = LIMITS[route.endpoint.path]
    requests = pack(route, parts)
    assert (len(requests) > 1) == (len(parts) > count or len(route.body(parts)) > most_bytes)
    for request in requests:
        body = route.body([payload.sent for payload in request.payloads])
        assert len(body) == request.size <= most_bytes
        assert len(request.payloads) <= count
    for request, following in pairwise(requests):
        full = len(request.payloads) == count
        assert full or request.size + len(following.payloads[0].sent) + len(route.separator) > most_bytes
    divided = list(chunks(route, [Payload("s", part, ORIGIN, HOLD, route) for part in parts]))
    assert [payload.sent for chunk in divided for payload in chunk] == parts
    assert [len(chunk) for chunk in divided] == [len(request.payloads) for request in requests]


@every_route
@pytest.mark.parametrize("size", [2, 30_000])
def test_many_fill_each_request(route: Route, size: int):
    requests = pack(route, [b"x" * size] * 4500)
    count, most_bytes = LIMITS[route.endpoint.path]
    assert {len(request.payloads) for request in requests[:-1]} == {
        min(count, (most_bytes - route.frame_bytes + len(route.separator)) // (size + len(route.separator)))
    }


@every_route
def test_bodies_say_what_was_put_in(route: Route):
    things = [{"user_id": 'é "&+% 東京', "n": [1, None]}, {"a": {}}]
    body = route.body([route.part(msgspec.json.encode(thing)) for thing in things])
    if route.is_form:
        fields = {name: values[0] for name, values in parse_qs(body.decode(), strict_parsing=True).items()}
        assert json.loads(fields["identification"]) == things
        assert fields["api_key"] in ("k", "k&=%")
        assert [route.json_text(route.part(msgspec.json.encode(thing))) for thing in things] == [
            msgspec.json.encode(thing) for thing in things
        ]
    else:
        decoded = json.loads(body)
        assert decoded["events"] == things
        assert decoded["options"]["min_id_length"] in (1, 5)
        assert decoded["api_key"] in ("k", 'key "with" odd signs')


@every_route
def test_what_is_larger_than_any_request(route: Route):
    most = route.endpoint.max_bytes - route.frame_bytes
    check_size(route, b"x" * most)
    with pytest.raises(Rejected, match="larger than a request"):
        check_size(route, b"x" * (most + 1))
