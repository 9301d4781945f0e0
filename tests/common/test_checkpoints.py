"""The order of STATE, and batches of parallel workers."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.waiting import await_true
from target_amplitude.common.target.checkpoints import Checkpoints
from target_amplitude.common.target.workers import Workers


class Reference:
    """The rule itself, the slow way: a state may go out when all holds begun before it are done."""

    def __init__(self) -> None:
        self.line: list[tuple[str, int]] = []
        self.finished: set[int] = set()

    def newest(self) -> int | None:
        allowed = None
        for kind, number in self.line:
            if kind == "hold" and number not in self.finished:
                break
            if kind == "state":
                allowed = number
        return allowed


# At each step: begin a hold, take a state, or end one of the open holds (which one: any number).
STEPS = st.lists(st.one_of(st.just("begin"), st.just("state"), st.integers(0, 100)), max_size=60)


@given(STEPS)
def test_states_go_out_as_soon_and_only_when_the_rule_allows(steps: list[Any]):
    written: list[int] = []
    checkpoints = Checkpoints(lambda state: written.append(state["number"]))
    reference = Reference()
    holds: dict[int, Any] = {}
    for number, step in enumerate(steps):
        if step == "begin":
            holds[number] = checkpoints.begin()
            reference.line.append(("hold", number))
        elif step == "state":
            reference.line.append(("state", number))
            checkpoints.state({"number": number})
        elif holds:
            chosen = sorted(holds)[step % len(holds)]
            reference.finished.add(chosen)
            holds.pop(chosen).done()
        assert (written[-1] if written else None) == reference.newest()
    assert written == sorted(set(written))  # each once, in order


@given(st.randoms(use_true_random=False), st.integers(1, 200))
def test_when_all_is_finished_the_last_state_is_out(chance, count: int):
    written: list[int] = []
    checkpoints = Checkpoints(lambda state: written.append(state["number"]))
    holds = []
    for number in range(count):
        holds.append(checkpoints.begin())
        checkpoints.state({"number": number})
    chance.shuffle(holds)
    for hold in holds:
        hold.done()
    assert written[-1] == count - 1


def test_a_hold_is_done_with_its_last_record():
    written: list[Any] = []
    checkpoints = Checkpoints(written.append)
    hold = checkpoints.begin()
    hold.add(3)
    checkpoints.state({"n": 1})
    hold.done()  # nothing is added any more
    hold.done(2)
    assert written == []
    hold.done()
    assert written == [{"n": 1}]


def test_finishing_from_many_threads_keeps_the_order():
    written: list[int] = []
    checkpoints = Checkpoints(lambda state: written.append(state["number"]))
    holds = []
    for number in range(2000):
        holds.append(checkpoints.begin())
        checkpoints.state({"number": number})
    threads = [
        threading.Thread(target=lambda part=holds[first::4]: [hold.done() for hold in part]) for first in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert written == sorted(written)
    assert written[-1] == 1999


@given(st.lists(st.tuples(st.integers(0, 3), st.integers()), max_size=50))
def test_each_worker_delivers_in_order(requests: list[tuple[int, int]]):
    sent: list[list[int]] = [[] for _ in range(4)]
    workers: Workers[tuple[int, int]] = Workers(4, lambda request: sent[request[0]].append(request[1]))
    for request in requests:
        workers.submit(request[0], request)
    workers.wait()
    workers.close()
    assert sent == [[value for worker, value in requests if worker == number] for number in range(4)]


def test_workers_work_side_by_side():
    """Each request ends only when both are on their way."""
    both = threading.Barrier(2, timeout=10)
    workers: Workers[int] = Workers(2, lambda _: both.wait() and None)
    workers.submit(0, 0)
    workers.submit(1, 1)
    workers.wait()
    workers.close()


class BrokenError(Exception):
    """What a worker fails with."""


def failing_workers(sent: list[int]) -> Workers[int]:
    def send(request: int) -> None:
        if request < 0:
            raise BrokenError
        sent.append(request)

    return Workers(1, send)


def test_a_failure_is_raised_and_nothing_is_sent_after_it():
    sent: list[int] = []
    workers = failing_workers(sent)
    workers.submit(0, 1)
    workers.submit(0, -1)
    with pytest.raises(BrokenError):
        for number in range(2, 100):
            workers.submit(0, number)
    with pytest.raises(BrokenError):
        workers.wait()
    workers.close()
    assert sent == [1]


def test_abort_lets_the_request_on_its_way_end_and_drops_what_waits():
    begun, may_end, sent = threading.Event(), threading.Event(), []

    def send(request: int) -> None:
        begun.set()
        may_end.wait(10)
        sent.append(request)

    workers: Workers[int] = Workers(1, send)
    workers.submit(0, 1)
    workers.submit(0, 2)
    assert begun.wait(10)
    ending = threading.Thread(target=workers.abort, args=(BrokenError(),))
    ending.start()
    await_true(lambda: workers._failure)
    may_end.set()
    ending.join(10)
    assert sent == [1]
    with pytest.raises(BrokenError):
        workers.raise_failure()
