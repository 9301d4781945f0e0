"""nginx and Caddy with the configurations of orchestrate/proxy, in front of a real receiver."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
import trustme

from support.processes import BIN
from support.programs import program
from support.receiver import posted, zipped
from support.sockets import free_port

pytestmark = pytest.mark.kind("process")

ROOT = Path(__file__).parents[2]
PROXY = ROOT / "orchestrate" / "proxy"
PAGE = (ROOT / "docs" / "deploy" / "proxy.md").read_text(encoding="utf-8")
TOKEN = "a-token-that-no-log-may-show"
HOST = "hooks.example.com"


class Proxy:
    """A running proxy: what it answers, and all that it wrote."""

    def __init__(self, folder: Path, start: Callable[[Path, int, int], list[str]]) -> None:
        self.folder, self.start = folder, start
        self.port, self.backend = free_port(), free_port()
        authority = trustme.CA()
        authority.cert_pem.write_to_path(folder / "authority.pem")
        authority.issue_cert(HOST, "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
        command = start(folder, self.port, self.backend)
        self._log = (folder / "proxy.log").open("wb")
        self._process = subprocess.Popen(
            command,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={"HOME": str(folder), "PATH": "/usr/bin:/bin"},
        )
        self._receiver: subprocess.Popen[str] | None = None

    def receive(self) -> None:
        """Start a receiver behind it."""
        command = ["tap-split-impressions-webhook", "--path", str(self.folder / "impressions")]
        self._receiver = subprocess.Popen(
            [BIN / command[0], *command[1:], "--port", str(self.backend)],
            env={"TAP_SPLIT_IMPRESSIONS_WEBHOOK_TOKEN": TOKEN},
            stderr=subprocess.STDOUT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert "Listening" in self._receiver.stdout.readline()

    def stop_receiving(self) -> None:
        self._receiver.send_signal(signal.SIGTERM)
        self._receiver.communicate(timeout=30)
        self._receiver = None

    def ask(self, method: str, path: str, **options: object) -> requests.Response:
        """Send a request as Split does; the first one waits until the proxy listens."""
        session = requests.Session()
        retry = requests.adapters.Retry(connect=8, backoff_factor=0.1, status=0, redirect=0)
        session.mount("https://", requests.adapters.HTTPAdapter(max_retries=retry))
        url = f"https://127.0.0.1:{self.port}{path}"
        return session.request(method, url, verify=self.folder / "authority.pem", timeout=30, **options)

    def written(self) -> str:
        return "\n".join(path.read_text(errors="replace") for path in self.folder.rglob("*log"))

    def stop(self) -> None:
        if self._receiver:
            self.stop_receiving()
        self._process.terminate()
        self._process.wait(30)
        self._log.close()


def nginx(folder: Path, port: int, backend: int) -> list[str]:
    text = (PROXY / "nginx.conf").read_text(encoding="utf-8")
    for said, meant in (
        ("listen 443", f"listen 127.0.0.1:{port}"),
        ("/etc/ssl/hooks.example.com/fullchain.pem", f"{folder}/server.pem"),
        ("/etc/ssl/hooks.example.com/privkey.pem", f"{folder}/server.pem"),
        ("/var/log/nginx/", f"{folder}/"),
        ("127.0.0.1:8080", f"127.0.0.1:{backend}"),
    ):
        assert said in text
        text = text.replace(said, meant)
    (folder / "site.conf").write_text(text, encoding="utf-8")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "\n".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    http = f"{paths}\naccess_log {folder}/access.log;\ninclude {folder}/site.conf;"
    main = f"pid {folder}/pid;\nevents {{}}\nhttp {{\n{http}\n}}"
    (folder / "main.conf").write_text(main, encoding="utf-8")
    command = [program("nginx"), "-e", "stderr", "-p", str(folder), "-c", str(folder / "main.conf")]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert "warn" not in checked.stderr
    return [*command, "-g", "daemon off; master_process off;"]


def caddy(folder: Path, port: int, backend: int) -> list[str]:
    given = PROXY / "Caddyfile"
    checked = subprocess.run(
        [program("caddy"), "validate", "--config", given, "--adapter", "caddyfile"],
        env={"HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    text = given.read_text(encoding="utf-8")
    for said, meant in (
        (f"\n{HOST} {{", f"\nhttps://127.0.0.1:{port} {{\n\ttls {folder}/server.pem {folder}/server.pem"),
        ("\n{\n", "\n{\n\tadmin off\n\tauto_https disable_redirects\n"),
        ("127.0.0.1:8080", f"127.0.0.1:{backend}"),
    ):
        assert said in text
        text = text.replace(said, meant)
    (folder / "Caddyfile").write_text(text, encoding="utf-8")
    return [program("caddy"), "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


@pytest.fixture(params=[nginx, caddy])
def proxy(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Proxy]:
    running = Proxy(tmp_path, request.param)
    yield running
    running.stop()


def test_a_batch_passes_and_no_log_shows_the_token(proxy: Proxy) -> None:
    proxy.receive()
    assert proxy.ask("GET", "/impressions/health").json() == {"status": "ok"}
    answer = proxy.ask("POST", f"/impressions?token={TOKEN}", data=zipped([posted(1), posted(2)]))
    assert (answer.status_code, answer.json()["accepted"]) == (200, 2)
    assert proxy.ask("POST", "/impressions?token=wrong", data=zipped([posted(1)])).status_code == 401
    for path in ("/", "/impressions/metrics", "/metrics", "/health"):
        assert proxy.ask("GET", path).status_code == 404

    proxy.stop_receiving()
    assert proxy.ask("POST", f"/impressions?token={TOKEN}", data=zipped([posted(1)])).status_code == 502
    assert list((proxy.folder / "impressions").glob("*.jsonl"))
    written = proxy.written()
    assert TOKEN not in written
    assert ("token=hidden" in written) == (proxy.start is caddy)  # nginx is silent about it


def test_the_page_lists_the_addresses_that_are_passed_on() -> None:
    listed = re.findall(
        r"^\| `https://hooks\.example\.com(\S+)` \| `http://(127\.0\.0\.1:\d+)(\S+)` \|$", PAGE, re.MULTILINE
    )
    assert len(listed) == 4
    nginx_passes = re.findall(
        r"location = (\S+) \{\s+proxy_pass http://([\d.:]+)(\S+);", (PROXY / "nginx.conf").read_text()
    )
    caddy_passes = re.findall(
        r"handle (\S+) \{\s+rewrite \* (\S+)\s+reverse_proxy ([\d.:]+)", (PROXY / "Caddyfile").read_text()
    )
    assert nginx_passes == listed
    assert [(path, host, target) for path, target, host in caddy_passes] == listed
