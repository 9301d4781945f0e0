"""Requests that nobody foresaw: no answer of the receiver is a 500, nothing grows, and what got a 200 can be read.

`FUZZ_REQUESTS=10000` makes it as many; without it, it is a short share of that.
"""

from __future__ import annotations

import gzip
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.receiver import TOKEN, Receiver, posted
from tap_split_impressions.folder.readers.json_text import rows_of_line
from tap_split_impressions.impressions.item import Item

REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "400"))
GROWTH_MEGABYTES = 32

FIELDS = [
    *posted(1),
    *("keyName", "testName", "feature", "impression", "impressions", "keyImpressions", "changeNumber", "pt", "ip"),
    *("receptionTimestamp", "trafficTypeId", "sdkLanguageVersion", "MachineName", "x"),
]
NUMBERS = ["0", "-0", "1e999", "-1e999", "1E-999", "1767261600123.5", "-1", "9" * 30, "9" * 5000, "NaN", "Infinity"]
WORDS = ["", "-inf", "nan", "2026-01-01", "0001-01-01T00:00:00+14:00", "1_0", "٣", "\x00", "{", '{"a":1}', "9" * 5000]
SURROGATES = ['"\\ud83d"', '"\\udc00\\ud83d"']

plain = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8)
scalars = st.one_of(
    plain.map(json.dumps), st.sampled_from(WORDS).map(json.dumps), st.sampled_from([*NUMBERS, *SURROGATES])
)
names = st.sampled_from(FIELDS).map(json.dumps)


def array(parts: list[str]) -> str:
    return f"[{','.join(parts)}]"


def json_object(members: list[tuple[str, str]]) -> str:
    return "{" + ",".join(f"{name}:{value}" for name, value in members) + "}"


anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4).map(array) | st.lists(st.tuples(names, inner), max_size=6).map(json_object)
    ),
    max_leaves=12,
)


@st.composite
def almost_impressions(draw: st.DrawFn) -> str:
    """A batch in which one impression has a value that it should not have."""
    odd = draw(st.sampled_from(FIELDS))
    text = json.dumps([posted(1), posted(2, **{odd: "ODD"})])
    return text.replace('"ODD"', draw(anything))


@st.composite
def nested(draw: st.DrawFn) -> str:
    opening, closing = draw(
        st.sampled_from([("[", "]"), ('{"impressions":[', "]}"), ('{"impression":', "}"), ('{"x":', "}")])
    )
    depth = draw(st.integers(1, 1200) | st.sampled_from([5_000, 100_000]))
    return opening * depth + draw(st.sampled_from([json.dumps(posted(1)), "", "1"])) + closing * depth


@st.composite
def edited(draw: st.DrawFn, texts: st.SearchStrategy[bytes]) -> bytes:
    """Bytes with a piece of them replaced."""
    text = draw(texts)
    start = draw(st.integers(0, len(text)))
    end = draw(st.integers(start, min(start + 20, len(text))))
    return text[:start] + draw(st.binary(max_size=6)) + text[end:]


texts = st.one_of(almost_impressions(), anything, nested()).map(lambda text: text.encode("utf-8", "surrogatepass"))
contents = st.one_of(texts, edited(texts), st.binary(max_size=60))
zipped = contents.map(lambda content: gzip.compress(content, 1))
bodies = st.one_of(contents, zipped, edited(zipped))

queries = st.one_of(st.just(f"token={TOKEN}"), st.text(max_size=10).map(lambda text: f"token={quote(text)}&%zz=%ff"))
headers = st.fixed_dictionaries(
    {},
    optional={
        "Content-Type": st.sampled_from(["application/json", "text/plain", "multipart/form-data; boundary=x", ""]),
        "Content-Encoding": st.sampled_from(["gzip", "br", "x"]),
        "Authorization": st.sampled_from([f"Bearer {TOKEN}", "Bearer", "Basic eDp5", "\xff"]),
        "Expect": st.just("100-continue"),
    },
)


@st.composite
def requests_made(draw: st.DrawFn) -> dict[str, Any]:
    """A request that is HTTP, whatever it brings."""
    body = draw(bodies)
    return {
        "method": draw(st.sampled_from(["POST"] * 12 + ["GET", "PUT", "HEAD", "OPTIONS", "NONSENSE"])),
        "path": draw(st.sampled_from(["/"] * 8 + ["/health", "/../../etc/passwd", "/%2e%2e/x", "//", "/%00"])),
        "query": draw(queries),
        "headers": draw(headers),
        "body": iter([body[:7], body[7:]]) if draw(st.booleans()) and len(body) > 7 else body,
    }


heads = st.sampled_from(
    [
        f"POST /?token={TOKEN} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n[1,2]",
        f"POST /?token={TOKEN} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[1,2]\r\n0\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    ]
)
raw_requests = edited(heads.map(str.encode))


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    folder = tmp_path_factory.mktemp("fuzzed") / "impressions"
    with Receiver(folder, "--token", TOKEN, "--seal-bytes", "200000") as running:
        yield running


def answer_to(receiver: Receiver, request: dict[str, Any]) -> requests.Response:
    """Send a request, its path as it is: the usual clients would tidy it up."""
    prepared = requests.Request(request["method"], receiver.url, request["headers"], data=request["body"]).prepare()
    prepared.url = f"{receiver.url}{request['path']}?{request['query']}"
    return receiver.http.send(prepared, timeout=30)


def send_raw(receiver: Receiver, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=30) as client:
        client.sendall(request)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(4096), b""))


def test_no_request_is_too_much(receiver: Receiver) -> None:
    taken = 0
    grown: list[float] = []

    @settings(max_examples=REQUESTS, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.one_of(requests_made(), requests_made(), requests_made(), raw_requests))
    def send(request: dict[str, Any] | bytes) -> None:
        nonlocal taken
        if isinstance(request, bytes):
            assert b" 500 " not in send_raw(receiver, request)[:20]
        else:
            answer = answer_to(receiver, request)
            assert answer.status_code < 500
            if answer.status_code == 200 and request["method"] == "POST":
                taken += answer.json()["accepted"]
        grown.append(memory_megabytes(receiver))

    send()
    assert receiver.http.get(f"{receiver.url}/health").json() == {"status": "ok"}
    assert receiver.stop() == 0
    assert "Traceback" not in receiver.said
    assert grown[-1] - grown[len(grown) // 4] < GROWTH_MEGABYTES
    assert [path.name for path in receiver.folder.parent.iterdir()] == ["impressions"]
    rows = [row for file in receiver.folder.glob("*.jsonl") for line in lines_of(file) for row in rows_of_line(line)]
    assert taken > REQUESTS // 20
    assert len(rows) >= taken
    assert all(isinstance(row, Item) for row in rows)


def lines_of(file: Path) -> list[bytes]:
    return file.read_bytes().splitlines(keepends=True)


def memory_megabytes(receiver: Receiver) -> float:
    status = Path(f"/proc/{receiver.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024
