"""Split's Admin API, as far as segments and the checking of names need it (https://docs.split.io/reference).

Every call is safe to repeat, so whatever may pass is tried again with patience. Rate limits are waited out as long as
Split's headers say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import quote

import msgspec

from target_split.api.client import PASSING, Answer, AnswerLostError, Host, NotSentError
from target_split.common.errors import ConnectorError
from target_split.segments.plan import Action

BASE_PATH = "/internal/api/v2"

# The sources name largest pages from 50 to 1,000; every answer is followed by how much of it came.
PAGE = 50

# Pages of keys: 100 is the usual size, the largest is not published. A refusal of more leads back to it.
LARGE_KEY_PAGE = 10_000
USUAL_KEY_PAGE = 100

EXISTS = 409


@dataclass(frozen=True)
class Segment:
    """A segment as the workspace knows it."""

    name: str
    traffic_type: str
    description: str


@dataclass(frozen=True)
class Change:
    """What a workspace may want to hear of each change."""

    title: str
    comment: str


class Admin:
    """The calls, each until it succeeds or fails for good.

    Args:
        host: Where to.
    """

    def __init__(self, host: Host) -> None:
        self._host = host

    def workspaces(self) -> list[dict[str, Any]]:
        """Return all workspaces: objects with `id` and `name`."""
        return list(self._listed("/workspaces", "list workspaces"))

    def environments(self, workspace: str) -> list[dict[str, Any]] | None:
        """Return a workspace's environments: objects with `id` and `name`; None when there is no such workspace."""
        answer = self._call("GET", f"/environments/ws/{part(workspace)}", "list environments", fine=(400, 403, 404))
        return decoded(answer) if answer.is_success else None

    def traffic_types(self, workspace: str) -> list[str]:
        """Return the names of a workspace's traffic types."""
        answer = self._call("GET", f"/trafficTypes/ws/{part(workspace)}", "list traffic types")
        return [one["name"] for one in decoded(answer)]

    def segments(self, workspace: str, environment: str | None = None) -> dict[str, Segment]:
        """Return a workspace's segments by name; with an environment those that are active in it."""
        path = f"/segments/ws/{part(workspace)}" + (f"/environments/{part(environment)}" if environment else "")
        found = (
            Segment(one["name"], (one.get("trafficType") or {}).get("name", ""), one.get("description") or "")
            for one in self._listed(path, "list segments")
        )
        return {one.name: one for one in found}

    def create_segment(self, workspace: str, segment: Segment) -> None:
        """Make a segment in a workspace; one that exists is fine."""
        path = f"/segments/ws/{part(workspace)}/trafficTypes/{part(segment.traffic_type)}"
        body = {"name": segment.name, "description": segment.description}
        self._call("POST", path, f"create segment '{segment.name}'", body, fine=(EXISTS,))

    def activate_segment(self, environment: str, name: str) -> None:
        """Give an environment a segment; one that has it already is fine."""
        self._call("POST", f"/segments/{part(environment)}/{part(name)}", f"activate segment '{name}'", {}, (EXISTS,))

    def keys(self, environment: str, name: str) -> set[str]:
        """Return all keys of a segment."""
        path, what = f"/segments/{part(environment)}/{part(name)}/keys", f"read the keys of segment '{name}'"
        page, offset, found = LARGE_KEY_PAGE, 0, set[str]()
        while True:
            answer = self._call("GET", f"{path}?offset={offset}&limit={page}", what, fine=(400,))
            if not answer.is_success:
                if page == USUAL_KEY_PAGE:
                    self._fail(answer, what)
                page = USUAL_KEY_PAGE
                continue
            listed = decoded(answer)
            keys = [one["key"] for one in listed["keys"]]
            found.update(keys)
            offset += len(keys)
            # The total is `count` here, not `totalCount` as in other lists.
            if offset >= listed["count"]:
                return found
            if not keys:
                raise ConnectorError(
                    f"Cannot {what}: Split counts {listed['count']:,} and lists {offset:,}. Try again."
                )

    def change_keys(self, environment: str, name: str, action: Action, keys: Sequence[str], change: Change) -> None:
        """Add keys to a segment, or remove them: at most 10,000."""
        call = "uploadKeys?replace=false" if action == "add" else "removeKeys"
        self._call(
            "PUT",
            f"/segments/{part(environment)}/{part(name)}/{call}",
            f"change the keys of segment '{name}'",
            {"keys": keys, "title": change.title, "comment": change.comment},
        )

    def _listed(self, path: str, what: str) -> Iterator[dict[str, Any]]:
        offset = 0
        while True:
            listed = decoded(self._call("GET", f"{path}?offset={offset}&limit={PAGE}", what))
            yield from listed["objects"]
            offset += len(listed["objects"])
            if not listed["objects"] or offset >= listed["totalCount"]:
                return

    def _call(
        self,
        method: str,
        path: str,
        what: str,
        body: Any = None,
        fine: Sequence[int] = (),
    ) -> Answer:
        """Call until there is an answer that stays.

        Args:
            method: HTTP method.
            path: Below the API's base, with its query.
            what: What the call does, for messages: "list segments".
            body: Sent as JSON.
            fine: Statuses beside 2xx that are the caller's to judge.

        Raises:
            ConnectorError: Split refuses the call, or patience is over.
        """
        patience = self._host.patience(f"trying to {what}")
        payload = None if body is None else msgspec.json.encode(body)
        while True:
            asked = None
            try:
                answer = self._host.send(method, BASE_PATH + path, payload)
            except NotSentError as error:
                why = f"Split was not reached ({error}): check 'admin_url'"
            except AnswerLostError as error:
                why = f"no answer ({error})"
            else:
                if answer.status in PASSING:
                    why, asked = f"Split answered {answer.status}", answer.wait_seconds
                elif answer.is_success and not is_whole(answer):
                    why = "the answer was cut off"
                elif answer.is_success or answer.status in fine:
                    return answer
                else:
                    self._fail(answer, what)
            patience.wait(why, asked)

    def _fail(self, answer: Answer, what: str) -> NoReturn:
        said = self._host.redacted(answer.message)
        if answer.status == 401:
            raise ConnectorError(
                "Split refused the key for segments (401). Setting 'admin_api_key' must be an Admin API key or a "
                "Harness token, not an SDK key; 'auth_header' says which header carries it."
            )
        if answer.status == 403:
            raise ConnectorError(
                f"The key in 'admin_api_key' may not {what} (403): segments need the role API_SEGMENT_EDITOR or more."
            )
        raise ConnectorError(f"Cannot {what}: Split answered {answer.status}" + (f", '{said}'." if said else "."))


def part(text: str) -> str:
    """Return a text as one part of a path."""
    return quote(text, safe="")


def is_whole(answer: Answer) -> bool:
    """Whether an answer came to its end and is JSON."""
    try:
        msgspec.json.decode(answer.body or b"null")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return answer.body is not None


def decoded(answer: Answer) -> Any:
    """Return what an answer holds."""
    return msgspec.json.decode(answer.body or b"null")
