"""Behavioral cohorts: https://amplitude.com/docs/apis/analytics/behavioral-cohorts."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from support.sandbox import Sandbox

AUTH = ("test-api-key", "test-secret-key")
MEMBERS = [
    {"amplitude_id": 200_000_000_042, "user_id": "user-0042", "plan": "gold", "visits": 3},
    {"amplitude_id": 200_000_000_043, "user_id": None, "tags": ["a", "b"]},
    {"amplitude_id": 200_000_000_044, "user_id": 'zoë, "Z"', "plan": "free"},
]


def get(sandbox: Sandbox, path: str, **options: Any) -> requests.Response:
    return sandbox.http.get(sandbox.url + path, **({"auth": AUTH} | options))


def order(sandbox: Sandbox, cohort_id: str = "ab12cd3", polls: int = 2, **query: Any) -> str:
    """Ask for a member list and wait until it is ready; return the path of the file."""
    answer = get(sandbox, f"/api/5/cohorts/request/{cohort_id}", params=query)
    assert answer.status_code == 202
    request_id = answer.json()["request_id"]
    assert answer.json() == {"request_id": request_id, "cohort_id": cohort_id}
    for waiting in [*[True] * polls, False]:
        answer = get(sandbox, f"/api/5/cohorts/request-status/{request_id}")
        assert answer.status_code == (202 if waiting else 200)
        status = "JOB INPROGRESS" if waiting else "JOB COMPLETED"
        assert answer.json() == {"request_id": request_id, "cohort_id": cohort_id, "async_status": status}
    return f"/api/5/cohorts/request/{request_id}/file"


def test_published_cohorts_are_listed(sandbox: Sandbox) -> None:
    sandbox.put_cohort(id="ab12cd3", name="Köln power users", members=MEMBERS, last_computed=1_773_478_801)
    sandbox.put_cohort(id="hidden", name="A draft", published=False)
    sandbox.put_cohort(id="other", name="Other", size=7, description="seven")
    (first, second) = get(sandbox, "/api/3/cohorts").json()["cohorts"]
    assert first["id"] == "ab12cd3"
    assert first["name"] == "Köln power users"
    assert first["size"] == 3
    assert first["lastComputed"] == 1_773_478_801
    assert len(first) == 26
    assert "syncMetadata" not in first
    assert (second["size"], second["description"]) == (7, "seven")


def test_syncs_are_listed_on_request(sandbox: Sandbox) -> None:
    sync = {"target": "split", "frequency": "daily", "last_successful": None, "last_failure": None, "params": {}}
    sandbox.put_cohort(id="ab12cd3", name="Cohort", syncMetadata=[sync])
    (cohort,) = get(sandbox, "/api/3/cohorts", params={"includeSyncInfo": "true"}).json()["cohorts"]
    assert cohort["syncMetadata"] == [sync]


def test_members_come_after_request_and_polls(sandbox: Sandbox) -> None:
    sandbox.put_cohort(id="ab12cd3", name="Cohort", members=MEMBERS)
    answer = get(sandbox, order(sandbox))
    assert answer.status_code == 200
    assert answer.text == (
        '"amplitude_id","user_id"\n"200000000042","user-0042"\n"200000000043",""\n"200000000044","zoë, ""Z"""\n'
    )


def test_all_properties_come_on_request(sandbox: Sandbox) -> None:
    sandbox.put_cohort(id="ab12cd3", name="Cohort", members=MEMBERS)
    assert get(sandbox, order(sandbox, props=1)).text.splitlines() == [
        '"amplitude_id","user_id","plan","visits","tags"',
        '"200000000042","user-0042","gold","3",""',
        '"200000000043","","","","[""a"",""b""]"',
        '"200000000044","zoë, ""Z""","free","",""',
    ]


def test_some_properties_come_on_request(sandbox: Sandbox) -> None:
    sandbox.put_cohort(id="ab12cd3", name="Cohort", members=MEMBERS)
    text = get(sandbox, order(sandbox, props=1, propKeys=["visits", "plan"])).text
    assert text.splitlines()[:2] == [
        '"amplitude_id","user_id","visits","plan"',
        '"200000000042","user-0042","3","gold"',
    ]


def test_the_number_of_polls_can_be_planted(sandbox: Sandbox) -> None:
    sandbox.put_cohort(id="ab12cd3", name="Cohort", members=MEMBERS, polls=0)
    assert get(sandbox, order(sandbox, polls=0)).status_code == 200


def test_there_is_no_file_before_the_job_is_completed(sandbox: Sandbox) -> None:
    sandbox.put_cohort(id="ab12cd3", name="Cohort", members=MEMBERS)
    request_id = get(sandbox, "/api/5/cohorts/request/ab12cd3").json()["request_id"]
    assert get(sandbox, f"/api/5/cohorts/request/{request_id}/file").status_code == 404


def test_a_group_cohort_lists_groups_behind_tabs(sandbox: Sandbox) -> None:
    sandbox.put_cohort(id="ab12cd3", name="Groups", members=[{"group_value": "acme"}, {"group_value": "globex"}])
    assert get(sandbox, order(sandbox)).text == "\tgroup_value\n\tacme\n\tglobex\n"


def test_a_large_file_lies_on_another_host_that_wants_no_credentials(sandbox: Sandbox) -> None:
    sandbox.put_cohort(id="ab12cd3", name="Cohort", members=MEMBERS, large=True)
    path = order(sandbox)
    answer = get(sandbox, path, allow_redirects=False)
    assert answer.status_code == 302
    location = answer.headers["Location"]
    assert location.startswith(f"http://localhost:{sandbox.port}/amplitude-cohort-files/")
    assert requests.get(location, timeout=30).text.startswith('"amplitude_id","user_id"\n')
    refused = requests.get(location, auth=AUTH, timeout=30)
    assert refused.status_code == 400
    assert "Only one auth mechanism allowed" in refused.text
    assert sandbox.requests()[-1]["headers"]["authorization"] == "Basic"
    assert requests.get(location.replace("Expires=", "Expires=1&was="), timeout=30).status_code == 403
    assert get(sandbox, path).text == requests.get(location, timeout=30).text


def test_long_lists_are_large_files(sandbox: Sandbox) -> None:
    members = [{"amplitude_id": number, "user_id": f"user-{number}"} for number in range(10_001)]
    sandbox.put_cohort(id="ab12cd3", name="Cohort", members=members)
    answer = get(sandbox, order(sandbox))
    assert [one.status_code for one in answer.history] == [302]
    assert len(answer.text.splitlines()) == 10_002


@pytest.mark.parametrize(
    "path", ["/api/5/cohorts/request/none", "/api/5/cohorts/request-status/none", "/api/5/cohorts/request/none/file"]
)
def test_unknown_things_are_not_found(sandbox: Sandbox, path: str) -> None:
    assert get(sandbox, path).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/api/3/cohorts",
        "/api/5/cohorts/request/none",
        "/api/5/cohorts/request-status/none",
        "/api/5/cohorts/request/none/file",
    ],
)
def test_wrong_keys_are_refused(sandbox: Sandbox, path: str) -> None:
    assert get(sandbox, path, auth=("wrong-key", "secret")).status_code == 403
    assert get(sandbox, path, auth=None).status_code == 403


def test_a_cohort_needs_an_id(sandbox: Sandbox) -> None:
    answer = sandbox.http.post(sandbox.url + "/_sandbox/amplitude/cohorts", json=[{"name": "Cohort"}])
    assert answer.status_code == 400


def usage(sandbox: Sandbox) -> Any:
    return get(sandbox, "/api/3/cohorts/usage").json()


def test_downloads_are_counted_and_limited(sandbox: Sandbox) -> None:
    sandbox.put_cohort(id="ab12cd3", name="Cohort", members=MEMBERS)
    assert usage(sandbox)["rest_download"]["limit"] == 500
    order(sandbox)
    counted = usage(sandbox)["rest_download"]
    assert counted["usage"] == 1
    assert counted["resets_at"].endswith("-01T00:00:00Z")
    sandbox.call("POST", "/amplitude/settings", {"cohort_downloads_used": 499, "cohort_usage": "count"})
    order(sandbox)
    assert get(sandbox, "/api/5/cohorts/request/ab12cd3").status_code == 429
    assert usage(sandbox) == {"limit": 500, "count": 500}
    sandbox.call("POST", "/amplitude/settings", {"cohort_downloads_limit": None, "cohort_usage": "missing"})
    order(sandbox)
    assert get(sandbox, "/api/3/cohorts/usage").status_code == 404
    sandbox.reset()
    assert usage(sandbox)["rest_download"]["usage"] == 0


def test_what_a_cohort_counts(sandbox: Sandbox) -> None:
    sandbox.put_cohort(id="users", name="Same name", members=MEMBERS)
    sandbox.put_cohort(id="groups", name="Same name", members=[{"group_value": "acme"}], archived=True)
    sandbox.put_cohort(id="named", name="Sites", count_group="Site")
    cohorts = get(sandbox, "/api/3/cohorts").json()["cohorts"]
    assert [one["definition"]["countGroup"]["name"] for one in cohorts] == ["User", "Company", "Site"]
    assert [one["archived"] for one in cohorts] == [False, True, False]
    assert [one["name"] for one in cohorts] == ["Same name", "Same name", "Sites"]


def test_the_first_downloads_can_be_damaged(sandbox: Sandbox) -> None:
    sandbox.put_cohort(id="ab12cd3", name="Cohort", members=MEMBERS, damaged_downloads=1)
    path = order(sandbox)
    damaged, whole = get(sandbox, path).text, get(sandbox, path).text
    assert damaged == whole.replace('"200000000043",""\n', '"200000000043","\n')
    assert whole.count('"') % 2 == 0
    assert damaged.count('"') % 2 == 1


def test_a_file_can_be_planted_as_text(sandbox: Sandbox) -> None:
    sandbox.put_cohort(id="ab12cd3", name="Cohort", members=MEMBERS, file='"user_id"\n"a"\n')
    assert get(sandbox, order(sandbox)).text == '"user_id"\n"a"\n'
