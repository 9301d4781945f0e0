"""The order of STATE, and requests in parallel lanes."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_amplitude.common.target.checkpoints import Checkpoints, Lanes


class Reference:
    """The rule itself, the slow way: a state may go out when all work begun before it is finished."""

    def __init__(self) -> None:
        self.line: list[tuple[str, int]] = []
        self.finished: set[int] = set()

    def newest(self) -> int | None:
        allowed = None
        for kind, number in self.line:
            if kind == "work" and number not in self.finished:
                break
            if kind == "state":
                allowed = number
        return allowed


# At each step: begin work, take a state, or finish one of the open works (which one: any number).
STEPS = st.lists(st.one_of(st.just("begin"), st.just("state"), st.integers(0, 100)), max_size=60)


@given(STEPS)
def test_states_go_out_as_soon_and_only_when_the_rule_allows(steps: list[Any]):
    written: list[int] = []
    checkpoints = Checkpoints(lambda state: written.append(state["number"]))
    reference = Reference()
    open_works: dict[int, Any] = {}
    for number, step in enumerate(steps):
        if step == "begin":
            open_works[number] = checkpoints.begin()
            reference.line.append(("work", number))
        elif step == "state":
            reference.line.append(("state", number))
            checkpoints.state({"number": number})
        elif open_works:
            chosen = sorted(open_works)[step % len(open_works)]
            reference.finished.add(chosen)
            checkpoints.finish(open_works.pop(chosen))
        assert (written[-1] if written else None) == reference.newest()
    assert written == sorted(set(written))  # each once, in order


@given(st.randoms(use_true_random=False), st.integers(1, 200))
def test_when_all_is_finished_the_last_state_is_out(chance, count: int):
    written: list[int] = []
    checkpoints = Checkpoints(lambda state: written.append(state["number"]))
    works = []
    for number in range(count):
        works.append(checkpoints.begin())
        checkpoints.state({"number": number})
    chance.shuffle(works)
    for work in works:
        checkpoints.finish(work)
    assert written[-1] == count - 1


def test_finishing_from_many_threads_keeps_the_order():
    written: list[int] = []
    checkpoints = Checkpoints(lambda state: written.append(state["number"]))
    works = []
    for number in range(2000):
        works.append(checkpoints.begin())
        checkpoints.state({"number": number})
    threads = [
        threading.Thread(target=lambda part=works[first::4]: [checkpoints.finish(work) for work in part])
        for first in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert written == sorted(written)
    assert written[-1] == 1999


@given(st.lists(st.tuples(st.integers(0, 3), st.integers()), max_size=50))
def test_each_lane_delivers_in_order(requests: list[tuple[int, int]]):
    sent: list[list[int]] = [[] for _ in range(4)]
    lanes: Lanes[tuple[int, int]] = Lanes(4, lambda request: sent[request[0]].append(request[1]))
    for request in requests:
        lanes.submit(request[0], request)
    lanes.wait()
    lanes.close()
    assert sent == [[value for lane, value in requests if lane == number] for number in range(4)]


def test_lanes_work_side_by_side():
    """Each request ends only when both are on their way."""
    both = threading.Barrier(2, timeout=10)
    lanes: Lanes[int] = Lanes(2, lambda _: both.wait() and None)
    lanes.submit(0, 0)
    lanes.submit(1, 1)
    lanes.wait()
    lanes.close()


class BrokenError(Exception):
    """What a lane fails with."""


def failing_lanes(sent: list[int]) -> Lanes[int]:
    def send(request: int) -> None:
        if request < 0:
            raise BrokenError
        sent.append(request)

    return Lanes(1, send)


def test_a_failure_is_raised_and_nothing_is_sent_after_it():
    sent: list[int] = []
    lanes = failing_lanes(sent)
    lanes.submit(0, 1)
    lanes.submit(0, -1)
    with pytest.raises(BrokenError):
        for number in range(2, 100):
            lanes.submit(0, number)
    with pytest.raises(BrokenError):
        lanes.wait()
    lanes.close()
    assert sent == [1]


def test_abort_lets_the_request_on_its_way_end_and_drops_what_waits():
    begun, may_end, sent = threading.Event(), threading.Event(), []

    def send(request: int) -> None:
        begun.set()
        may_end.wait(10)
        sent.append(request)

    lanes: Lanes[int] = Lanes(1, send)
    lanes.submit(0, 1)
    lanes.submit(0, 2)
    assert begun.wait(10)
    ending = threading.Thread(target=lanes.abort, args=(BrokenError(),))
    ending.start()
    while not lanes._failure:
        begun.wait(0)
    may_end.set()
    ending.join(10)
    assert sent == [1]
    with pytest.raises(BrokenError):
        lanes.raise_failure()
