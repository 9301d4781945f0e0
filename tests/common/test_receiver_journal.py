"""The way of batches to the storage: grouped, in order, bounded; and nobody hears of it before it is done."""

from __future__ import annotations

import threading
from concurrent.futures import wait

import pytest

from tap_split_impressions.common.receiver.journal import BusyError, Journal


class Slow:
    """A storage that stores when it is told to."""

    def __init__(self) -> None:
        self.commits: list[bytes] = []
        self.rejects: list[bytes] = []
        self.entered = threading.Event()
        self.gate = threading.Event()
        self.fails: OSError | None = None
        self.closed = False

    def commit(self, lines: bytes, rejects: bytes) -> None:
        self.entered.set()
        self.gate.wait(20)
        if self.fails:
            raise self.fails
        self.commits.append(lines)
        self.rejects.append(rejects)

    def tick(self) -> float | None:
        return None

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def storage() -> Slow:
    return Slow()


def test_what_waits_together_is_stored_together(storage: Slow) -> None:
    journal = Journal(storage)
    first = journal.store(b"0\n")
    storage.entered.wait(20)
    others = [journal.store(b"%d\n" % number, b"bad\n" if number == 5 else b"") for number in range(1, 10)]
    assert not first.done()
    assert not any(other.done() for other in others)
    storage.gate.set()
    wait([first, *others], 20)
    assert storage.commits == [b"0\n", b"1\n2\n3\n4\n5\n6\n7\n8\n9\n"]
    assert storage.rejects == [b"", b"bad\n"]
    journal.close()


def test_too_much_waiting_is_refused_until_it_is_stored(storage: Slow) -> None:
    journal = Journal(storage, queue_bytes=100)
    stored = [journal.store(b"x" * 60)]
    with pytest.raises(BusyError):
        journal.store(b"x" * 60)
    stored.append(journal.store(b"x" * 40))
    storage.gate.set()
    wait(stored, 20)
    # One batch larger than all that may wait is taken when nothing else waits.
    journal.store(b"x" * 500).result(20)
    journal.close()


def test_a_failure_reaches_all_it_concerns_and_passes(storage: Slow) -> None:
    storage.gate.set()
    storage.fails = OSError(28, "No space left on device")
    journal = Journal(storage)
    with pytest.raises(OSError, match="No space left"):
        journal.store(b"1\n").result(20)
    assert journal.failure
    storage.fails = None
    journal.store(b"2\n").result(20)
    assert journal.failure is None
    assert storage.commits == [b"2\n"]
    journal.close()


def test_closing_stores_what_waits_and_takes_nothing_more(storage: Slow) -> None:
    journal = Journal(storage)
    first = journal.store(b"1\n")
    storage.entered.wait(20)
    second = journal.store(b"2\n")
    closing = threading.Thread(target=journal.close)
    closing.start()
    storage.gate.set()
    closing.join(20)
    assert first.done()
    assert second.done()
    assert storage.closed
    assert not journal.alive
    with pytest.raises(BusyError):
        journal.store(b"3\n")
