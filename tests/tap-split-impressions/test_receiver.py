"""The receiver as a process: every batch that got a 200 is in the folder exactly once, whatever happens."""

from __future__ import annotations

import gzip
import json
import os
import stat
import zlib
from pathlib import Path
from typing import Any

import pytest

from support.receiver import TOKEN, Receiver, Run, numbers_of, posted, zipped
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
