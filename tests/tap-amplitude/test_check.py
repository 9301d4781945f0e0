"""`--check`: says what the keys can read, changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.sandbox import Sandbox
from support.scripted import Answer, Request, scripted
from tap_amplitude.api import client
from tap_amplitude.common.errors import ConnectorError
from tap_amplitude.tap import TapAmplitude

NO_DATA = Answer(b"Raw data files were not found.", status=404)
WRONG_KEY = Answer(b"Invalid API Key", status=403)


def lines(keys: dict[str, str], **config: Any) -> str:
    return "\n".join(TapAmplitude(config={**keys, "retry_timeout_seconds": 0, **config}).check())


def listing(*cohorts: Any) -> Callable[[Request], Answer]:
    def answer(request: Request) -> Answer:
        if request.path == "/api/2/export":
            return NO_DATA
        if request.path == "/api/3/cohorts/usage":
            usage = {"limit": 500, "usage": 17, "resets_at": "2026-04-01"}
            return Answer(json.dumps({"rest_download": usage}).encode())
        return Answer(json.dumps({"cohorts": cohorts}).encode())

    return answer


def test_it_names_cohorts_with_size_and_kind_the_newest_hour_and_the_quota(keys: dict[str, str]) -> None:
    group = {"id": "g", "name": "Accounts", "size": 3, "definition": {"countGroup": {"name": "company"}}}
    user = {"id": "u", "name": "Power users", "size": 1834}
    with scripted(listing(user, group, {"id": "n", "archived": True})) as server:
        said = lines(keys, api_url=server.url)
        assert not [request for request in server.requests if "/request/" in request.path]
    for words in (
        f"Region: us (requests go to {server.url})",
        "Newest hour that can be exported: ",
        "holds no events",
        "Cohorts: 3",
        "u: Power users, 1,834 members, of User",
        "g: Accounts, 3 members, of company",
        "n: (no name), size unknown, of User, archived",
        "Cohort downloads this month: 17 of 500 used",
    ):
        assert words in said


def test_it_works_with_the_sandbox_and_reads_nothing(sandbox: Sandbox, keys: dict[str, str]) -> None:
    sandbox.put_cohort(id="c1", name="Köln", members=[{"amplitude_id": 1, "user_id": "u"}])
    assert "c1: Köln, 1 member, of User" in lines(keys, api_url=sandbox.url)
    assert {request["method"] for request in sandbox.requests()} == {"GET"}


def test_a_folder_is_shown_with_its_newest_file_and_needs_no_keys(tmp_path: Path) -> None:
    for name in ("1_2026-03-14_9#0.json.gz", "-3_2026-03-14_9.json.gz", "pushed.json"):
        (tmp_path / name).write_bytes(b"")
    said = "\n".join(TapAmplitude(config={"path": str(tmp_path)}).check())
    assert "1 of events, 1 of merged ids, 1 told by content" in said
    assert "Newest file: " in said
    with pytest.raises(ConnectorError, match="'path'"):
        list(TapAmplitude(config={"path": str(tmp_path / "gone")}).check())


@pytest.fixture
def regions(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Amplitude's two regions on this machine; the test says what each answers."""
    answers = {"us": WRONG_KEY, "eu": WRONG_KEY}
    with scripted(lambda _: answers["us"]) as us, scripted(lambda _: answers["eu"]) as eu:
        monkeypatch.setitem(client.HOSTS, "us", us.url)
        monkeypatch.setitem(client.HOSTS, "eu", eu.url)
        yield answers


def test_a_wrong_region_and_a_wrong_key_are_told_apart(regions: dict[str, Any], keys: dict[str, str]) -> None:
    with pytest.raises(ConnectorError, match=r"recognize this pair of keys in region 'us'.*'api_key'"):
        lines(keys)
    regions["eu"] = Answer(b'{"cohorts":[]}')
    with pytest.raises(ConnectorError, match="belong to region 'eu'"):
        lines(keys)


def test_a_plan_without_cohorts_is_said(keys: dict[str, str]) -> None:
    def answer(request: Request) -> Answer:
        return NO_DATA if "export" in request.path else Answer(b"not in your plan", status=403)

    with scripted(answer) as server:
        assert "Cohorts: none can be read." in lines(keys, api_url=server.url)


@pytest.mark.parametrize("answer", [Answer(b"<html>", status=404), Answer(b"busy", status=503)])
def test_a_host_that_is_not_amplitude_fails(keys: dict[str, str], answer: Answer) -> None:
    with scripted(lambda _: answer) as server, pytest.raises(ConnectorError):
        lines(keys, api_url=server.url)
