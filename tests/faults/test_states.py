"""STATE among random messages: never before what it covers, never back, and good to resume from."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.amplitude import MEMBER_SCHEMA, member
from support.amplitude_target import signals_kept
from support.sandbox import Sandbox
from target_amplitude.api.endpoints import ENDPOINTS
from target_amplitude.common.errors import ConnectorError as AmplitudeError
from target_amplitude.target import TargetAmplitude
from target_split.common.errors import ConnectorError as SplitError
from target_split.target import TargetSplit

EXAMPLES = 30
ITEMS_PER_REQUEST = 3
STREAMS, USERS = ("a", "b"), 4
FIRST_SECOND = 1773480000
MAPPING = {"event_type": "seen", "time": "at"}

Message = dict[str, Any]


def mapped(members: Message) -> Mapping[str, Any]:
    """Settings with one mapping for all streams."""
    return MappingProxyType({"mappings": {"*": members}})


class Good(NamedTuple):
    """A record that is delivered: its number, its stream or cohort, its user."""

    number: int
    group: str
    user: str


class Way:
    """A way of loading: settings, messages, and what must have arrived."""

    target: Any = TargetAmplitude
    settings: Mapping[str, Any]
    kinds: tuple[str, ...] = ("status", "cut", "lost")  # of faults that pass
    resumes_at_start = False

    def messages(self, steps: Iterable[tuple[Any, ...]]) -> list[Message]:
        """The messages of the steps; a STATE says how many came before it."""
        messages = self.opening()
        for number, (kind, stream, user) in enumerate(steps, start=len(messages)):
            if kind == "state":
                messages.append({"type": "STATE", "value": {"read": number}})
            elif kind == "version":
                messages.append({"type": "ACTIVATE_VERSION", "stream": stream, "version": number})
            elif kind == "schema":
                messages.append(self.schema(stream, {} if user % 2 else {"more": {}}))
            else:
                name = f"user-{user}" if kind == "record" else 5  # no text: it breaks the schema
                record = {"id": number, "user": name, "at": FIRST_SECOND + number}
                messages.append({"type": "RECORD", "stream": stream, "record": record})
        return messages

    def opening(self) -> list[Message]:
        return [self.schema(stream, {}) for stream in STREAMS]

    def schema(self, stream: str, more: Message) -> Message:
        properties = {"id": {"type": "integer"}, "user": {"type": "string"}, "at": {}, **more}
        return {"type": "SCHEMA", "stream": stream, "schema": {"properties": properties}, "key_properties": ["id"]}

    def good(self, number: int, message: Message) -> Good | None:
        record = message.get("record")
        return Good(number, message["stream"], record["user"]) if record and record["user"] != 5 else None

    def missing(self, sandbox: Sandbox, covered: list[Good]) -> list[Good]:
        """Which of the covered records have not arrived."""
        raise NotImplementedError

    def extra(self, sandbox: Sandbox, everything: list[Good]) -> Any:
        """What has arrived that should not have, or not so often."""
        raise NotImplementedError


class Events(Way):
    settings = mapped(MAPPING | {"user_id": "user", "event_properties": {"include": ["id"]}})

    def numbers(self, sandbox: Sandbox) -> list[int]:
        return [event["event_properties"]["id"] for event in sandbox.amplitude_events()]

    def missing(self, sandbox: Sandbox, covered: list[Good]) -> list[Good]:
        arrived = set(self.numbers(sandbox))
        return [one for one in covered if one.number not in arrived]

    def extra(self, sandbox: Sandbox, everything: list[Good]) -> Any:
        return Counter(self.numbers(sandbox)) - Counter(one.number for one in everything)


class SplitEvents(Events):
    target = TargetSplit
    settings = mapped(MAPPING | {"key": "user", "properties": ["id"]})
    kinds = ("status", "cut")  # an answer that is lost leaves doubt, and may double

    def numbers(self, sandbox: Sandbox) -> list[int]:
        return [event["properties"]["id"] for event in sandbox.split_events()]


class Identifications(Way):
    settings = mapped({"load_as": "identify", "time": "at", "user_id": "user", "operations": {"$set": {"last": "id"}}})

    def newest(self, sandbox: Sandbox) -> dict[str, int]:
        return {user["user_id"]: user["user_properties"]["last"] for user in sandbox.amplitude_users()}

    def missing(self, sandbox: Sandbox, covered: list[Good]) -> list[Good]:
        arrived = self.newest(sandbox)
        return [one for one in covered if arrived.get(one.user, -1) < one.number]

    def extra(self, sandbox: Sandbox, everything: list[Good]) -> Any:
        return self.newest(sandbox).items() - {one.user: one.number for one in everything}.items()


class Segments(Way):
    target = TargetSplit
    settings = MappingProxyType({"segment_name": "list-{cohort_id}"})
    resumes_at_start = True  # a tap reads lists whole

    def messages(self, steps: Iterable[tuple[Any, ...]]) -> list[Message]:
        messages = super().messages(step for step in steps if step[0] != "version")
        sizes = Counter(message["stream"] for message in messages if message["type"] == "RECORD")
        for number, message in enumerate(messages):
            if message["type"] == "RECORD":
                cohort, user = message["stream"], message["record"]["user"]
                row = member(number, cohort, f"cohort {cohort}", user_id=user, cohort_size=sizes[cohort])
                messages[number] = {"type": "RECORD", "stream": "cohort_members", "record": row}
        return [*messages, {"type": "ACTIVATE_VERSION", "stream": "cohort_members", "version": 1}]

    def opening(self) -> list[Message]:
        return [self.schema("", {})]

    def schema(self, stream: str, more: Message) -> Message:
        keys = ["cohort_id", "amplitude_id"]
        return {"type": "SCHEMA", "stream": "cohort_members", "schema": MEMBER_SCHEMA, "key_properties": keys}

    def good(self, number: int, message: Message) -> Good | None:
        row = message.get("record")
        return Good(number, f"list-{row['cohort_id']}", row["user_id"]) if row and row["user_id"] != 5 else None

    def keys(self, sandbox: Sandbox) -> set[tuple[str, str]]:
        return {(segment["name"], key) for segment in sandbox.split_segments() for key in segment["keys"]}

    def missing(self, sandbox: Sandbox, covered: list[Good]) -> list[Good]:
        arrived = self.keys(sandbox)
        return [one for one in covered if (one.group, one.user) not in arrived]

    def extra(self, sandbox: Sandbox, everything: list[Good]) -> Any:
        return self.keys(sandbox) - {(one.group, one.user) for one in everything}


class Watcher(io.StringIO):
    """Standard output: at each STATE that comes out it looks whether all that it covers has arrived."""

    def __init__(self, look: Callable[[int], list[Any]]) -> None:
        super().__init__()
        self.look = look
        self.states: list[int] = []
        self.early: list[tuple[int, list[Any]]] = []

    def write(self, line: str) -> int:
        read = json.loads(line)["read"]
        self.states.append(read)
        if missing := self.look(read):
            self.early.append((read, missing))
        return len(line)


class Trial:
    """Runs of one way of loading, in this process and over real HTTP, and what they left behind."""

    def __init__(self, way: Way, config: Message, sandbox: Sandbox, messages: list[Message]) -> None:
        self.way, self.config, self.sandbox, self.messages = way, config, sandbox, messages
        self.rejects = Path(config["rejects_path"])

    def run(self, begin: int = 0) -> tuple[list[int], bool]:
        """Give the target the messages from one on; return the states that came out, and whether it succeeded."""
        messages = (self.way.opening() if begin else []) + self.messages[begin:]
        lines = io.StringIO("".join(json.dumps(message) + "\n" for message in messages))
        watcher = Watcher(self.missing)
        with signals_kept(), contextlib.redirect_stdout(watcher):
            target = self.way.target(config=self.config)
            try:
                target.listen(lines)
            except (AmplitudeError, SplitError):
                target.stopping.set()
                target.give_up()
                succeeded = False
            else:
                succeeded = True
        assert watcher.early == []
        assert watcher.states == sorted(set(watcher.states))
        return watcher.states, succeeded

    def is_refused(self, begin: int = 0) -> bool:
        """Whether all records from a message on are bad: nothing is accepted then, and the run fails."""
        numbered = [(number, message) for number, message in enumerate(self.messages) if message["type"] == "RECORD"]
        given = [self.way.good(number, message) for number, message in numbered if number >= begin]
        return bool(given) and not any(one is not None for one in given)

    def good(self, until: int | None = None) -> list[Good]:
        numbered = (self.way.good(number, message) for number, message in enumerate(self.messages[:until]))
        return [one for one in numbered if one is not None]

    def missing(self, until: int | None = None) -> list[Any]:
        """What of the first messages is neither delivered nor rejected."""
        rejected = [json.loads(line)["record"] for line in self.rejects.read_text("utf-8").splitlines()]
        bad = [
            message["record"]
            for number, message in enumerate(self.messages[:until])
            if message["type"] == "RECORD" and self.way.good(number, message) is None
        ]
        return self.way.missing(self.sandbox, self.good(until)) + [record for record in bad if record not in rejected]

    def extra(self) -> Any:
        return self.way.extra(self.sandbox, self.good())


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small requests, so that a few records need many, and short waits between tries."""
    small = dataclasses.replace(ENDPOINTS["batch"], max_items=ITEMS_PER_REQUEST)
    monkeypatch.setitem(ENDPOINTS, "batch", small)
    monkeypatch.setattr("target_amplitude.api.endpoints.IDENTIFY_MAX_ITEMS", 2)
    monkeypatch.setattr("target_split.events.batch.MAX_REQUEST_EVENTS", ITEMS_PER_REQUEST)
    monkeypatch.setattr("target_amplitude.delivery.gateway.FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr("target_split.connection.FIRST_WAIT_SECONDS", 0.01)


STEP = st.tuples(
    st.sampled_from(["record"] * 6 + ["state"] * 3 + ["bad", "schema", "version"]),
    st.sampled_from(STREAMS),
    st.integers(0, USERS - 1),
)


@pytest.mark.parametrize(
    "way", [Events(), SplitEvents(), Identifications(), Segments()], ids=lambda w: type(w).__name__
)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    steps=st.lists(STEP, min_size=1, max_size=60),
    passing=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 6)), max_size=3),
    ends_after=st.none() | st.integers(0, 8),
    choice=st.integers(0, 10),
)
def test_states_cover_what_arrived(
    way: Way, steps, passing, ends_after, choice, sandbox: Sandbox, tmp_path: Path, quick: None
) -> None:
    """A first run meets faults that pass, perhaps one that does not; a second one resumes from one of its states."""
    sandbox.reset()
    for file in tmp_path.iterdir():
        file.unlink()
    (tmp_path / "rejects.jsonl").touch()
    config = {**way.settings, "rejects_path": str(tmp_path / "rejects.jsonl"), "retry_timeout_seconds": 20}
    if way.target is TargetSplit:
        config |= {
            "sdk_api_key": "test-sdk-key",
            "admin_api_key": "test-admin-key",
            "workspace_id": "ws-demo",
            "environment": "Production",
            "ledger_path": str(tmp_path / "ledger.sqlite"),
            "events_url": sandbox.url,
            "admin_url": sandbox.url,
        }
    else:
        config |= {"api_key": "test-api-key", "api_url": sandbox.url}
    trial = Trial(way, config, sandbox, way.messages(steps))
    for kind, skip in passing:
        sandbox.plan(kind=way.kinds[kind % len(way.kinds)], skip=skip, status=500)
    if ends_after is not None:
        sandbox.plan(kind="status", status=401, skip=ends_after, times=None)

    states, succeeded = trial.run()
    assert succeeded or ends_after is not None or trial.is_refused()
    if succeeded:
        sent = [message["value"]["read"] for message in trial.messages if message["type"] == "STATE"]
        assert states[-1:] == sent[-1:]

    sandbox.call("DELETE", "/faults")
    resumable = [0, *states]
    begin = 0 if way.resumes_at_start else resumable[choice % len(resumable)]
    _, succeeded = trial.run(begin)
    assert succeeded or trial.is_refused(begin)
    assert trial.missing() == []
    assert not trial.extra()
