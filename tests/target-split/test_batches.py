"""Batches of at most a million bytes and 5,000 events."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from target_split.api.limits import MAX_REQUEST_BYTES, MAX_REQUEST_EVENTS
from target_split.common.target.checkpoints import Checkpoints
from target_split.common.target.delivery import Origin
from target_split.events.batch import Batch, BatchBuilder, body_of


def packed(sizes: list[int]) -> list[list[int]]:
    """Pack events of these sizes; return the sizes by batch."""
    batches: list[Batch] = []
    builder = BatchBuilder("s", Checkpoints(lambda _: None).begin, batches.append)
    for size in sizes:
        builder.add(b"x" * size, b"id", Origin("s"))
    builder.flush()
    assert all(len(batch.events) == len(batch.ids) == len(batch.origins) > 0 for batch in batches)
    return [[len(event) for event in batch.events] for batch in batches]


@given(st.lists(st.integers(1, 400_000), max_size=40))
def test_batches_are_within_limits_and_hold_everything_in_order(sizes: list[int]):
    batches = packed(sizes)
    assert [size for batch in batches for size in batch] == sizes
    for batch in batches:
        assert len(body_of([b"x" * size for size in batch])) <= MAX_REQUEST_BYTES


def test_a_batch_is_filled_to_the_last_byte():
    assert packed([MAX_REQUEST_BYTES - 2]) == [[MAX_REQUEST_BYTES - 2]]
    first = MAX_REQUEST_BYTES - 2 - 101
    assert packed([first, 100]) == [[first, 100]]
    assert packed([first, 101]) == [[first], [101]]


def test_many_small_events():
    assert [len(batch) for batch in packed([10] * 12_000)] == [MAX_REQUEST_EVENTS, MAX_REQUEST_EVENTS, 2_000]
