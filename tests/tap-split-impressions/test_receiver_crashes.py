"""The receiver killed, stopped, and without room on its disk: what was answered with 200 is stored, once."""

from __future__ import annotations

import json
import random
import resource
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

from support.receiver import Receiver, Run, numbers_of, posted, stored_batches, zipped


class Load:
    """Posts numbered batches from several threads until the receiver is gone; knows which got a 200."""

    def __init__(self) -> None:
        self.posted = 0
        self.accepted: set[int] = set()
        self._lock = threading.Lock()

    def next(self) -> int:
        with self._lock:
            self.posted += 1
            return self.posted

    def run(self, receiver: Receiver, kill_after: float, threads: int = 4) -> None:
        with ThreadPoolExecutor(threads) as pool:
            senders = [pool.submit(self._send, receiver.url) for _ in range(threads)]
            time.sleep(kill_after)  # the moment of the kill is what varies
            receiver.kill()
            for sender in senders:
                sender.result()

    def _send(self, url: str) -> None:
        with requests.Session() as session:
            while True:
                number = self.next()
                batch = [posted(number * 100 + item) for item in range(100)]
                try:
                    answer = session.post(url, data=zipped(batch), timeout=30)
                except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
                    return  # killed before its answer, or in the middle of it
                assert answer.status_code == 200
                self.accepted.add(number)


def test_killed_under_load_again_and_again(folder: Path, run: Run) -> None:
    load, chance = Load(), random.Random(6)
    for _ in range(6):
        with Receiver(folder, "--seal-seconds", "0.1", "--seal-bytes", "300000") as receiver:
            load.run(receiver, chance.uniform(0.05, 0.5))
    with Receiver(folder) as receiver:
        assert receiver.stop() == 0

    batches = Counter(batch[0]["key"] for batch in stored_batches(folder))
    accepted = {f"user-{number * 100:06}" for number in load.accepted}
    assert len(accepted) > 20
    assert set(batches.values()) == {1}
    assert accepted <= set(batches)
    assert all(len(batch) == 100 for batch in stored_batches(folder))
    # The tap sees the same: each impression once.
    read = Counter(numbers_of(run()))
    assert set(read.values()) == {1}
    assert len(read) == 100 * len(batches)


def test_a_file_that_a_killed_receiver_left_open_is_read_once(folder: Path, run: Run) -> None:
    with Receiver(folder) as receiver:
        receiver.post([posted(1)])
        receiver.kill()
    (left,) = folder.glob("*.open")
    with left.open("ab") as file:
        file.write(b'{"received":5,"batch":[')  # nobody got a 200 for this
    first = run()
    assert numbers_of(first) == [1]
    assert "not impressions" not in first.stderr
    assert " 0 rejected" in first.stderr
    with Receiver(folder) as receiver:
        receiver.post([posted(2)])
        receiver.stop()
    assert not list(folder.glob("*.open"))
    assert numbers_of(run(first.state)) == [2]


def test_several_receivers_share_a_folder(folder: Path) -> None:
    load = Load()
    with Receiver(folder) as one, Receiver(folder, "--seal-seconds", "0.1") as other:
        threads = [threading.Thread(target=load.run, args=(receiver, 0.4, 2)) for receiver in (one, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with Receiver(folder) as receiver:
        receiver.stop()
    batches = Counter(batch[0]["key"] for batch in stored_batches(folder))
    assert load.accepted
    assert set(batches.values()) == {1}
    assert {f"user-{number * 100:06}" for number in load.accepted} <= set(batches)


def test_sigterm_under_load_answers_what_is_in_flight(folder: Path) -> None:
    with Receiver(folder) as receiver, ThreadPoolExecutor(8) as pool:
        started = [pool.submit(receiver_answer, receiver, number) for number in range(200)]
        started[20].result()
        assert receiver.stop() == 0
        accepted = {number for number, future in enumerate(started) if future.result() == 200}
    assert len(accepted) >= 21
    stored = [int(batch[0]["key"].removeprefix("user-")) for batch in stored_batches(folder)]
    assert sorted(stored) == sorted(set(stored))
    assert accepted <= set(stored)
    assert not list(folder.glob("*.open"))


def receiver_answer(receiver: Receiver, number: int) -> int:
    try:
        return requests.post(receiver.url, data=zipped([posted(number)]), timeout=30).status_code
    except requests.ConnectionError:
        return 0


def test_a_full_disk_is_answered_with_503_and_nothing_is_doubled(folder: Path) -> None:
    with Receiver(folder) as receiver:
        assert receiver.post([posted(number) for number in range(100)]).status_code == 200
        # A limit on the size of files fails a write half-way, as a full disk does.
        resource.prlimit(receiver.process.pid, resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY))
        answers = [receiver.post([posted(1000 * at + n) for n in range(100)]).status_code for at in range(1, 4)]
        assert answers == [503, 503, 503]
        assert receiver.http.get(f"{receiver.url}/health").status_code == 503
        resource.prlimit(receiver.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        assert receiver.post([posted(1000 + number) for number in range(100)]).status_code == 200
        assert receiver.http.get(f"{receiver.url}/health").status_code == 200
        receiver.stop()
    assert [batch[0]["key"] for batch in stored_batches(folder)] == ["user-000000", "user-001000"]
    assert receiver.said.count("Storing fails") == 1


def test_a_full_disk_leaves_no_half_of_what_is_rejected(folder: Path) -> None:
    batch = [posted(1), {"of another make": "x" * 70_000}]
    with Receiver(folder) as receiver:
        resource.prlimit(receiver.process.pid, resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY))
        assert receiver.post(batch).status_code == 503
        resource.prlimit(receiver.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        assert receiver.post(batch).status_code == 200
        receiver.stop()
    (line,) = [line for path in folder.glob("*.rejects") for line in path.read_bytes().splitlines()]
    assert json.loads(line)["item"] == batch[1]
