"""What a failed request means, against real sockets: never sent, perhaps processed, or impossible."""

from __future__ import annotations

import gzip
import itertools
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme

from common.errors import ConnectorError
from common.http import (
    AnswerLostError,
    AnswerTimeoutError,
    NotSentError,
    content_length,
    iter_body,
    new_session,
    read_body,
    send,
)
from support.scripted import Answer, scripted
from support.sockets import free_port, request_of, treating

FAST = (5.0, 0.2)


def get(url: str, **options: Any) -> requests.Response:
    return send(new_session(user_agent="test/1", pool_size=2), "GET", url, setting="api_url", **options)


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_an_answer_comes_with_its_body():
    with scripted(lambda _: Answer(b"x" * 1000)) as server, get(server.url) as answer:
        assert (answer.status_code, read_body(answer)) == (200, b"x" * 1000)
        assert server.requests[0].headers["User-Agent"] == "test/1"


def test_redirects_are_not_followed():
    with scripted(lambda _: Answer(status=302, headers={"Location": "/elsewhere"})) as server:
        for ask in (get, lambda url: new_session(user_agent="test/1", pool_size=1).get(url)):
            with ask(server.url) as answer:
                assert answer.status_code == 302
        assert [request.path for request in server.requests] == ["/", "/"]


def test_a_netrc_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password something\n", encoding="utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with scripted(lambda _: Answer()) as server, get(server.url, headers={"Authorization": "Bearer ours"}):
        assert server.requests[0].headers["Authorization"] == "Bearer ours"


# Never sent


def test_nothing_listens():
    with pytest.raises(NotSentError, match=r"nothing listens at 127\.0\.0\.1"):
        get(f"http://127.0.0.1:{free_port()}")


def test_a_name_that_does_not_resolve():
    with pytest.raises(NotSentError, match="cannot be resolved"):
        get("http://no-such-host.invalid")


def test_a_proxy_that_is_not_there(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(NotSentError, match="through the proxy"):
        get("http://api.test")


def test_a_proxy_that_refuses_the_tunnel(monkeypatch: pytest.MonkeyPatch):
    def refuse(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")

    with treating(refuse) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        with pytest.raises(NotSentError, match="through the proxy"):
            get("https://api.test")


@pytest.mark.parametrize("greeting", [b"", b"220 smtp.test\r\n"], ids=["closed", "another protocol"])
def test_a_tls_handshake_that_breaks_off(greeting: bytes):
    def break_off(connection: socket.socket) -> None:
        connection.recv(1)
        connection.sendall(greeting)

    with treating(break_off) as port, pytest.raises(NotSentError, match="no connection to"):
        get(f"https://127.0.0.1:{port}")


# Perhaps processed


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize("start", [b"", b"HTTP/1"], ids=["before the answer", "within its first line"])
@pytest.mark.parametrize("is_reset", [True, False])
def test_a_connection_that_is_cut(start: bytes, is_reset: bool):
    def cut(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(start)
        if is_reset:
            reset(connection)

    with treating(cut) as port, pytest.raises(AnswerLostError, match="was cut"):
        get(f"http://127.0.0.1:{port}")


def test_no_answer_in_time():
    done = threading.Event()

    def say_nothing(connection: socket.socket) -> None:
        request_of(connection)
        done.wait(30)

    with treating(say_nothing) as port, pytest.raises(AnswerTimeoutError, match=r"did not answer within 0\.2 s"):
        get(f"http://127.0.0.1:{port}", timeout=FAST)
    done.set()


@contextmanager
def tls_server(treatment: Any) -> Iterator[tuple[int, trustme.CA]]:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    def treat(connection: socket.socket) -> None:
        treatment(context.wrap_socket(connection, server_side=True))

    with treating(treat) as port:
        yield port, authority


def test_a_tls_connection_that_is_cut_after_the_request_is_not_taken_for_a_failed_handshake(tmp_path: Path):
    def cut(connection: socket.socket) -> None:
        request_of(connection)
        connection.close()  # without TLS's own goodbye, which the client's library reports as an error of TLS

    with tls_server(cut) as (port, authority):
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        with pytest.raises(AnswerLostError):
            get(f"https://127.0.0.1:{port}", verify=str(tmp_path / "ca.pem"))


# Impossible


def test_a_certificate_that_nobody_trusts():
    with tls_server(request_of) as (port, _), pytest.raises(ConnectorError, match="certificate verification failed"):
        get(f"https://127.0.0.1:{port}")


@pytest.mark.parametrize(
    "url",
    ["http://a..b", "http://", "api.test", "ftp://api.test", "http://[::1", "http://api.test:99999", "http://é..b"],
)
def test_a_url_that_cannot_be_right_is_final(url: str):
    with pytest.raises(ConnectorError, match="Setting 'api_url' is not a valid URL"):
        get(url)


@pytest.mark.parametrize(
    "proxy", ["http://", "http://[::1", "http://a..b", "foo://127.0.0.1:1", "http://127.0.0.1:999999"]
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_malformed_proxy_is_final(proxy: str, scheme: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(f"{scheme.upper()}_PROXY", proxy)
    with pytest.raises(ConnectorError, match=r"The proxy .* is not a valid URL"):
        get(f"{scheme}://api.test")


def test_a_socks_proxy_without_its_library_is_final(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:1")
    with pytest.raises(ConnectorError, match="PySocks"):
        get("https://api.test")


@pytest.mark.parametrize("key", ["one\ntwo", "ключ"])
def test_a_header_that_cannot_be_sent_is_final_and_not_quoted(key: str):
    with scripted(lambda _: Answer()) as server, pytest.raises(ConnectorError, match="HTTP header") as raised:
        get(server.url, headers={"Authorization": key})
    assert key not in str(raised.value)
    assert server.requests == []


# Bodies


def test_a_body_that_is_cut():
    with (
        scripted(lambda _: Answer(b"x" * 10, length=20)) as server,
        get(server.url) as answer,
        pytest.raises(AnswerLostError, match="cut after 10 bytes"),
    ):
        read_body(answer)


def chunked(*chunks: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(
        b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks
    )


def test_chunks_are_read_and_their_end_is_needed():
    def answer_with(end: bytes) -> Any:
        def treatment(connection: socket.socket) -> None:
            request_of(connection)
            connection.sendall(chunked(b"abc", b"def") + end)

        return treatment

    with treating(answer_with(b"0\r\n\r\n")) as port, get(f"http://127.0.0.1:{port}") as answer:
        assert read_body(answer) == b"abcdef"
    with (
        treating(answer_with(b"")) as port,
        get(f"http://127.0.0.1:{port}") as answer,
        pytest.raises(AnswerLostError),
    ):
        read_body(answer)


def compressed(body: bytes) -> Answer:
    return Answer(body, headers={"Content-Encoding": "gzip"})


def test_a_compressed_body_is_decompressed():
    with scripted(lambda _: compressed(gzip.compress(b"x" * 300_000))) as server, get(server.url) as answer:
        assert read_body(answer) == b"x" * 300_000


def test_a_body_that_cannot_be_decompressed_is_lost():
    with (
        scripted(lambda _: compressed(b"nothing")) as server,
        get(server.url) as answer,
        pytest.raises(AnswerLostError, match="cannot be decompressed"),
    ):
        read_body(answer)


def test_only_the_beginning_of_a_long_body_is_read():
    def talk_on(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in itertools.repeat(None):
            connection.sendall(b"x" * 1000)

    with treating(talk_on) as port, get(f"http://127.0.0.1:{port}") as answer:
        assert read_body(answer, limit_bytes=2500) == b"x" * 2500


@pytest.mark.parametrize("is_chunked", [True, False])
def test_a_body_that_trickles_for_ever_ends_at_its_deadline(is_chunked: bool):
    pause = threading.Event()

    def trickle(connection: socket.socket) -> None:
        request_of(connection)
        kind = b"Transfer-Encoding: chunked\r\n\r\n100000\r\n" if is_chunked else b"Content-Length: 1048576\r\n\r\n"
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + kind)
        while not pause.wait(0.01):
            connection.sendall(b"x")

    with treating(trickle) as port, get(f"http://127.0.0.1:{port}", timeout=(5.0, 5.0)) as answer:
        with pytest.raises(AnswerTimeoutError, match=r"took over 0\.2 s"):
            list(iter_body(answer, deadline_seconds=0.2))
        pause.set()


@pytest.mark.parametrize(
    ("text", "length"), [("12", 12), ("", None), ("-1", None), ("1" * 5000, None), ("٣", None), ("1.5", None)]
)
def test_the_announced_length(text: str, length: int | None):
    assert content_length({"Content-Length": text}) == length
