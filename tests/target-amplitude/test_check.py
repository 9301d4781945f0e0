"""`--check` tells whether the key is accepted, and stores nothing."""

from __future__ import annotations

from typing import Any

import pytest

from support.processes import Workplace
from support.sandbox import Sandbox
from support.scripted import Answer, scripted
from target_amplitude.api.endpoints import HOSTS
from target_amplitude.common.errors import ConnectorError
from target_amplitude.target import TargetAmplitude

HTML = "<html><title>Sign in</title></html>"


def test_what_can_be_seen(config, workplace: Workplace, sandbox: Sandbox):
    result = workplace.run("target-amplitude", config, "--check")
    assert result.code == 0, result.stderr
    assert f"Sending to {sandbox.url}/batch." in result.stdout
    assert "Amplitude accepts the API key." in result.stdout
    assert sandbox.amplitude_events() == []
    assert sandbox.amplitude_users() == []


@pytest.mark.parametrize(
    ("change", "fault", "said"),
    [
        ({"api_key": "wrong-key"}, None, "refuses the API key (400)"),
        ({"api_url": "http://127.0.0.1:1"}, None, "Nothing listens at 127.0.0.1:1"),
        ({}, {"status": 403}, "firewall (403)"),
        ({}, {"status": 404}, "There is no /batch at this URL"),
        ({}, {"status": 200, "body": HTML}, "is not Amplitude's"),
        ({}, {"status": 400, "body": HTML}, "something else than Amplitude"),
        ({}, {"status": 503}, "Amplitude answered 503"),
        ({"region": "mars"}, None, "Setting 'region' must be one of: us, eu"),
    ],
    ids=["key", "address", "firewall", "path", "portal", "proxy", "outage", "setting"],
)
def test_what_is_wrong(change: dict[str, Any], fault: Any, said: str, config, workplace: Workplace, sandbox: Sandbox):
    if fault:
        sandbox.plan(path="/batch", kind="status", times=None, **fault)
    result = workplace.run("target-amplitude", config | change, "--check")
    assert (result.code, "Traceback" in result.stderr) == (1, False)
    assert said in result.stderr
    assert "wrong-key" not in result.stderr


def test_a_proxy_that_refuses_gzip(config, workplace: Workplace, sandbox: Sandbox):
    sandbox.plan(path="/batch", kind="status", status=400, body=HTML, times=1)
    result = workplace.run("target-amplitude", config | {"compression": "gzip"}, "--check")
    assert result.code == 0, result.stderr


def test_a_key_of_the_other_region_is_told_apart(config, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch):
    refusal = Answer(b'{"code": 400, "error": "Invalid API key: ..."}', status=400)
    del config["api_url"]
    with scripted(lambda _: refusal) as wrong:
        monkeypatch.setitem(HOSTS, "us", wrong.url)
        monkeypatch.setitem(HOSTS, "eu", sandbox.url)
        with pytest.raises(ConnectorError, match=r"belongs to a project in region eu, not us\. Set 'region' to eu"):
            list(TargetAmplitude(config=config).check())
        monkeypatch.setitem(HOSTS, "eu", wrong.url)
        with pytest.raises(ConnectorError, match=r"refuses the API key \(400\)"):
            list(TargetAmplitude(config=config).check())
    assert sandbox.amplitude_events() == []
