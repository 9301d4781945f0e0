"""Requests of at most a million bytes and 5,000 events."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from target_split.api.limits import MAX_REQUEST_BYTES, MAX_REQUEST_EVENTS
from target_split.common.target.checkpoints import Checkpoints
from target_split.common.target.delivery import BatchLine
from target_split.events.batching import Packer, body_of


def packed(sizes: list[int]) -> list[list[int]]:
    """Pack events of these sizes; return the sizes by request."""
    packer, batches = Packer(), []
    hold, origin = Checkpoints(lambda _: None).begin(), BatchLine("s", "file:///nowhere", 1)
    for size in sizes:
        event = b"x" * size
        if not packer.add(event, b"id", origin):
            batches.append(packer.close())
            packer.open("s", hold)
            assert packer.add(event, b"id", origin)
    batches.append(packer.close())
    return [[len(event.sent) for event in batch.events] for batch in batches if batch]


@given(st.lists(st.integers(1, 400_000), max_size=40))
def test_requests_are_within_limits_and_hold_everything_in_order(sizes: list[int]):
    requests = packed(sizes)
    assert [size for request in requests for size in request] == sizes
    for request in requests:
        assert len(body_of([b"x" * size for size in request])) <= MAX_REQUEST_BYTES


def test_a_request_is_filled_to_the_last_byte():
    assert packed([MAX_REQUEST_BYTES - 2]) == [[MAX_REQUEST_BYTES - 2]]
    first = MAX_REQUEST_BYTES - 2 - 101
    assert packed([first, 100]) == [[first, 100]]
    assert packed([first, 101]) == [[first], [101]]


def test_many_small_events():
    assert [len(request) for request in packed([10] * 12_000)] == [MAX_REQUEST_EVENTS, MAX_REQUEST_EVENTS, 2_000]
