"""The receiver as a process: every batch that got a 200 is in the folder exactly once, whatever happens."""

from __future__ import annotations

import gzip
import json
import os
import random
import resource
import signal
import socket
import stat
import threading
import time
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import pytest
import requests

from support.processes import BIN, Workplace
from support.receiver import TOKEN, Receiver, Run, numbers_of, posted, stored_batches, zipped
from support.sockets import free_port
from support.waiting import await_true

ITEM = {"keyName": "k", "treatment": "on", "time": 1767261600123, "changeNumber": 5, "label": "x"}
EVALUATOR = {"impressions": [{"testName": "f", "keyImpressions": [ITEM]}]}
SYNCHRONIZER = {**EVALUATOR, "sdkVersion": "python-10.4.0", "machineIP": "10.2.4.19", "machineName": "ip"}
LISTENER = {"impression": {"feature": "f", "keyName": "k", "treatment": "on", "time": 1767261600123}, "ip": False}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A running receiver with a token, for tests that only look at answers."""
    with Receiver(tmp_path_factory.mktemp("shared"), "--token", TOKEN) as receiver:
        yield receiver


# --- what is taken


@pytest.mark.parametrize("body", [[posted(1)], EVALUATOR, SYNCHRONIZER, LISTENER, [LISTENER, LISTENER], [], posted(1)])
@pytest.mark.parametrize("pack", [zipped, lambda body: json.dumps(body, indent=2).encode()])
@pytest.mark.parametrize("headers", [{}, {"Content-Type": "application/json"}, {"Content-Type": "text/plain"}])
def test_every_door_is_taken_zipped_or_not_with_any_content_type(
    shared: Receiver, body: Any, pack: Any, headers: dict[str, str]
) -> None:
    answer = shared.post(pack(body), f"/?token={TOKEN}", headers=headers)
    assert (answer.status_code, answer.json()["rejected"]) == (200, 0)


@pytest.mark.parametrize(
    "body",
    [b"{}", b"null", b"", b"nonsense", b"[1]", b'{"a":1}', b"\xff", zipped([posted(1)])[:-4], zipped("x")],
)
def test_what_is_not_impressions_is_refused(shared: Receiver, body: bytes) -> None:
    assert shared.post(body, f"/?token={TOKEN}").status_code == 400


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/", {}, 401),
        ("/?token=", {}, 401),
        ("/?token=wrong", {}, 401),
        ("/?token=%C3%BC", {}, 401),
        ("/", {"Authorization": "Bearer wrong"}, 401),
        ("/", {"Authorization": f"Basic {TOKEN}"}, 401),
        ("/", {"Authorization": f"Bearer {TOKEN}"}, 200),
        ("/", {"Authorization": f"bearer {TOKEN}"}, 200),
        (f"/?token={TOKEN}", {}, 200),
        (f"/?a=b&token={TOKEN}", {"Authorization": "Bearer wrong"}, 200),
    ],
)
def test_the_token(shared: Receiver, path: str, headers: dict[str, str], status: int) -> None:
    assert shared.post([posted(1)], path, headers=headers).status_code == status


def test_other_methods_and_paths(shared: Receiver) -> None:
    assert shared.http.get(f"{shared.url}/").status_code == 405
    assert shared.post([posted(1)], f"/elsewhere?token={TOKEN}").status_code == 404
    assert shared.http.get(f"{shared.url}/health").json() == {"status": "ok"}


def test_a_bomb_and_a_body_that_is_too_large_are_refused(shared: Receiver) -> None:
    bomb = gzip.compress(b"[" + b" " * 200_000_000 + b"]", 9)
    assert shared.post(bomb, f"/?token={TOKEN}").status_code == 413
    assert shared.post(os.urandom(1000) * 70_000, f"/?token={TOKEN}").status_code == 413
    assert memory_megabytes(shared) < 400


def memory_megabytes(receiver: Receiver) -> float:
    status = Path(f"/proc/{receiver.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def test_a_large_batch_is_taken(tmp_path: Path, run: Run, folder: Path) -> None:
    with Receiver(folder) as receiver:
        assert receiver.post([posted(number) for number in range(30_000)]).json() == {"accepted": 30_000, "rejected": 0}
        receiver.stop()
    assert numbers_of(run()) == list(range(30_000))


def test_deflate_is_told_by_its_first_bytes_or_the_header(folder: Path, run: Run) -> None:
    body = json.dumps([posted(1)]).encode()
    raw = zlib.compressobj(wbits=-15)
    with Receiver(folder) as receiver:
        for content, headers in [
            (zlib.compress(body), {}),
            (zlib.compress(body.replace(b"000001", b"000002")), {"Content-Encoding": "deflate"}),
            (raw.compress(body.replace(b"000001", b"000003")) + raw.flush(), {"Content-Encoding": "deflate"}),
        ]:
            assert receiver.post(content, headers=headers).status_code == 200
        receiver.stop()
    assert numbers_of(run()) == [1, 2, 3]


# --- what else it answers


def test_metrics_need_the_token_and_count_what_is_stored(folder: Path) -> None:
    with Receiver(folder, "--token", TOKEN) as receiver:
        body = zipped([posted(1), posted(2), {"key": "k"}])
        assert receiver.post(body, f"/?token={TOKEN}").status_code == 200
        assert receiver.post(b"nonsense", f"/?token={TOKEN}").status_code == 400
        assert receiver.http.get(f"{receiver.url}/metrics").status_code == 401
        answer = receiver.http.get(f"{receiver.url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.headers["Content-Type"].startswith("text/plain")
    samples = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#"))
    label = '{connector="tap-split-impressions"}'
    assert samples[f"receiver_batches_total{label}"] == "1"
    assert samples[f"receiver_records_total{label}"] == "2"
    assert samples[f"receiver_rejected_total{label}"] == "1"
    assert samples[f"receiver_bytes_total{label}"] == str(len(body))
    assert samples[f"receiver_unread_files{label}"] == "0"
    assert {
        status: samples[f'receiver_responses_total{{connector="tap-split-impressions",status="{status}"}}']
        for status in (200, 400, 401)
    } == {200: "1", 400: "1", 401: "1"}
    assert samples[f"receiver_request_seconds_count{label}"] == "3"
    assert samples['receiver_request_seconds_bucket{connector="tap-split-impressions",le="+Inf"}'] == "3"


@pytest.mark.parametrize(
    ("options", "origin", "allowed"),
    [
        ([], "https://shop.example", None),
        (["--allow-origin", "https://shop.example"], "https://shop.example", "https://shop.example"),
        (["--allow-origin", "https://shop.example"], "https://elsewhere.example", None),
        (["--allow-origin", "*"], "https://elsewhere.example", "https://elsewhere.example"),
    ],
)
def test_web_pages_may_send_from_allowed_origins(
    folder: Path, options: list[str], origin: str, allowed: str | None
) -> None:
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    with Receiver(folder, "--token", TOKEN, *options) as receiver:
        question = receiver.http.options(receiver.url, headers=asked)
        answer = receiver.post([posted(1)], f"/?token={TOKEN}", headers={"Origin": origin})
    assert question.status_code == (204 if options else 405)
    assert question.headers.get("Access-Control-Allow-Methods") == (allowed and "POST")
    assert (answer.status_code, answer.headers.get("Access-Control-Allow-Origin")) == (200, allowed)


# --- what is stored


def test_from_post_to_record(folder: Path, run: Run) -> None:
    with Receiver(folder) as receiver:
        assert receiver.post([posted(1), posted(2)]).status_code == 200
        assert receiver.post([posted(3), {"key": "private-key"}]).json() == {"accepted": 1, "rejected": 1}
        assert numbers_of(run()) == []  # the file is still open
        assert receiver.stop() == 0
    assert receiver.listening == f"Listening on {receiver.url}, writing to {folder}\n"
    assert numbers_of(run()) == [1, 2, 3]
    (rejects,) = folder.glob("*.rejects")
    assert json.loads(rejects.read_text())["item"] == {"key": "private-key"}
    assert stat.S_IMODE(rejects.stat().st_mode) == 0o600


def test_files_are_sealed_while_it_runs(folder: Path, run: Run) -> None:
    with Receiver(folder, "--seal-seconds", "0.2") as receiver:
        receiver.post([posted(1)])
        await_true(lambda: list(folder.glob("*.jsonl")))
        assert numbers_of(run()) == [1]
        assert receiver.stop() == 0
        assert not list(folder.glob("*.open"))


def test_nothing_of_an_impression_or_a_token_is_logged(folder: Path) -> None:
    with Receiver(folder, "--token", TOKEN) as receiver:
        receiver.post([posted(1, key="private-key")], f"/?token={TOKEN}")
        receiver.post([posted(1, key="private-key"), {"key": "private-key"}], f"/?token={TOKEN}")
        receiver.post(b'{"key": "private-key"', f"/?token={TOKEN}")
        receiver.post([posted(1)], "/?token=private-key")
        receiver.stop()
    assert "private-key" not in receiver.said
    assert TOKEN not in receiver.said


# --- being killed


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
    assert len(accepted) > 100
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
    assert "not impressions" not in first.stderr.replace("0 not impressions", "")
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


# --- trouble


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


def test_slow_and_idle_clients_hold_nobody_up(folder: Path) -> None:
    with Receiver(folder) as receiver:
        slow = []
        for number in range(200):
            client = socket.create_connection(("127.0.0.1", receiver.port))
            if number % 2:
                client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n[")
            slow.append(client)
        answers = [receiver.post([posted(number)]).status_code for number in range(20)]
        assert answers == [200] * 20
        for client in slow:
            client.close()
        assert receiver.stop() == 0


def test_a_client_that_says_nothing_is_let_go(folder: Path) -> None:
    with Receiver(folder) as receiver, socket.create_connection(("127.0.0.1", receiver.port), timeout=30) as idle:
        idle.sendall(b"POST / HTTP/1.1\r\nHost: x")
        assert idle.recv(100) == b""


def status_of(client: socket.socket) -> int:
    with HTTPResponse(client) as answer:
        answer.begin()
        answer.read()
        return answer.status


def test_a_request_sent_before_the_answer_to_another_has_its_own_time(folder: Path) -> None:
    body = json.dumps([posted(1)]).encode()
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
    with Receiver(folder) as receiver, socket.create_connection(("127.0.0.1", receiver.port), timeout=30) as client:
        client.sendall(head + body + head + body[:50])
        assert status_of(client) == 200
        with socket.create_connection(("127.0.0.1", receiver.port), timeout=30) as idle:
            assert idle.recv(1) == b""  # the time limit of heads is over
        client.sendall(body[50:])
        assert status_of(client) == 200


def test_a_log_that_nobody_reads_holds_nothing_up(folder: Path) -> None:
    unread, log = os.pipe()
    with Receiver(folder, stderr=log) as receiver:
        os.close(log)
        for _ in range(1500):  # lines of some 80 bytes: more than a pipe and the queue before it hold
            assert receiver.post(b"[1, 2, 3]").status_code == 400
        assert receiver.post([posted(1)]).status_code == 200
        assert receiver.stop() == 0
    os.close(unread)
    assert len(stored_batches(folder)) == 1


def test_a_client_that_goes_away_costs_nothing(folder: Path) -> None:
    with Receiver(folder) as receiver:
        with socket.create_connection(("127.0.0.1", receiver.port)) as client:
            client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n[")
        assert receiver.post([posted(1)]).status_code == 200
        receiver.stop()
        assert "Traceback" not in receiver.said


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "No folder to write to"),
        (["--path", "/proc/nowhere"], "/proc/nowhere cannot be written"),
        (["--path", "x", "--storage-options", "nonsense"], "--storage-options must be a JSON object."),
        (["--path", "what://ever"], "Protocol not known: what"),
    ],
)
def test_the_command_line_is_checked(workplace: Workplace, arguments: list[str], sentence: str) -> None:
    process = workplace.start([str(BIN / "tap-split-impressions-webhook"), *arguments])
    _, said = process.communicate(timeout=30)
    assert process.returncode == 1
    assert sentence in said
    assert "Traceback" not in said


def test_a_port_in_use_is_a_failure(folder: Path, workplace: Workplace) -> None:
    with Receiver(folder) as receiver:
        command = [str(BIN / "tap-split-impressions-webhook"), "--path", str(folder), "--port", str(receiver.port)]
        process = workplace.start(command)
        _, said = process.communicate(timeout=30)
    assert process.returncode != 0
    assert "address already in use" in said


def test_any_asgi_server_runs_it_by_the_environment(folder: Path, workplace: Workplace) -> None:
    settings = {"TAP_SPLIT_IMPRESSIONS_PATH": str(folder), "TAP_SPLIT_IMPRESSIONS_WEBHOOK_TOKEN": TOKEN}
    port = free_port()
    command = [str(BIN / "uvicorn"), "--factory", "tap_split_impressions.webhook:create_app", "--port", str(port)]
    process = workplace.start(command, settings)
    lines = iter(process.stderr.readline, "")
    assert any("Uvicorn running" in line for line in lines)
    assert requests.post(f"http://127.0.0.1:{port}/", zipped([posted(1)]), timeout=30).status_code == 401
    assert requests.post(f"http://127.0.0.1:{port}/?token={TOKEN}", zipped([posted(1)]), timeout=30).status_code == 200
    process.terminate()
    process.communicate(timeout=30)
    assert stored_batches(folder) == [[posted(1)]]


def test_sigint_stops_as_sigterm_does(folder: Path) -> None:
    with Receiver(folder) as receiver:
        receiver.post([posted(1)])
        receiver.process.send_signal(signal.SIGINT)
        assert receiver.wait() == 0
    assert len(stored_batches(folder)) == 1
