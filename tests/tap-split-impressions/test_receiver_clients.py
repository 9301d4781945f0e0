"""The receiver and clients that are slow, silent or gone; its command line, log and signals."""

from __future__ import annotations

import json
import os
import signal
import socket
from http.client import HTTPResponse
from pathlib import Path

import pytest
import requests

from support.processes import BIN, Workplace
from support.receiver import TOKEN, Receiver, posted, stored_batches, zipped
from support.sockets import free_port


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
