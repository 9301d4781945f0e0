"""Many records about a user become one identification; older values never overwrite newer ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.amplitude_target import load
from support.impressions import impression, messages, record_message, state_message
from support.sandbox import Sandbox
from target_amplitude.common.target.delivery import BatchLine, Line, MessageLine
from target_amplitude.delivery import last_values as remembering
from target_amplitude.delivery import router as routing
from target_amplitude.delivery.identify_buffer import ENTRY_VALUES, Merger
from target_amplitude.delivery.kept_input import KeptInput
from target_amplitude.delivery.last_values import LastValues
from target_amplitude.payloads.identification import Identification
from target_amplitude.payloads.quick import UserProperty

STREAM = "users"
CHANGES = st.tuples(
    st.integers(0, 3),  # user
    st.sampled_from(["a", "b", "c"]),  # property
    st.integers(0, 6),  # time
    st.integers(0, 2),  # value
    st.booleans(),  # set, or unset
)


def closed(merger: Merger) -> list[Identification]:
    return list(merger.close())


def last_values() -> LastValues:
    return LastValues(lambda: 0.0, lambda: None)


def change(user: int, name: str, time: int | None, value: Any, is_set: bool = True) -> Identification:
    operations = {"$set": {name: value}} if is_set else {"$unset": {name: "-"}}
    return Identification({"user_id": f"user-{user}"}, operations, time, f"{user}{name}{time}{value}")


def applied(identifications: Iterable[Identification]) -> dict[str, dict[str, Any]]:
    """What a service holds after taking identifications in order."""
    users: dict[str, dict[str, Any]] = {}
    for one in identifications:
        properties = users.setdefault(one.subject["user_id"], {})
        properties.update(one.operations.get("$set", {}))
        for name in one.operations.get("$unset", {}):
            properties.pop(name, None)
    return users


@given(st.lists(CHANGES, max_size=40), st.sets(st.integers(0, 40)))
def test_the_newest_value_wins_whatever_the_order_and_the_batches(changes: list[tuple[Any, ...]], ends: set[int]):
    merger = Merger(last_values())
    sent: list[Identification] = []
    newest: dict[tuple[int, str], tuple[int, Any]] = {}
    for number, (user, name, time, value, is_set) in enumerate(changes):
        merger.add(STREAM, change(user, name, time, value, is_set))
        if (user, name) not in newest or time >= newest[user, name][0]:
            newest[user, name] = (time, value if is_set else None)
        if number in ends:
            batch = closed(merger)
            assert len({one.subject["user_id"] for one in batch}) == len(batch)
            sent += batch
    sent += closed(merger)
    expected: dict[str, dict[str, Any]] = {f"user-{user}": {} for user, _ in newest}
    for (user, name), (_, value) in newest.items():
        if value is not None:
            expected[f"user-{user}"][name] = value
    assert applied(sent) == expected


@given(st.lists(CHANGES, max_size=40))
def test_what_is_known_is_not_sent_again(changes: list[tuple[Any, ...]]):
    merger = Merger(last_values())
    for one in changes:
        merger.add(STREAM, change(*one))
    list(merger.close())
    made = [merger.add(STREAM, change(*one)) for one in changes]
    assert closed(merger) == []
    assert len(merger.unchanged) == sum(made)


SUBJECTS = st.sampled_from([{"user_id": "1"}, {"device_id": "1"}, {"user_id": "1", "device_id": "2"}])
ODD = st.builds(
    Identification,
    SUBJECTS,
    st.sampled_from([{"$set": {"a": "z", "n": 1}}, {"$unset": {"a": "-"}}, {"$add": {"n": 1}}]),
    st.none() | st.integers(0, 6),
    st.just("odd"),
    st.none() | st.just({"country": "DE"}),
)
SETTING = st.builds(
    lambda subject, name, value, time: UserProperty("1", subject, name, value, time),
    SUBJECTS.filter(lambda subject: len(subject) == 1),
    st.sampled_from("ab"),
    st.sampled_from("xyz"),
    st.integers(0, 6),
)


@given(st.lists(ODD | SETTING, max_size=30), st.sets(st.integers(0, 30)))
def test_a_property_is_set_as_the_identification_that_sets_it(changes: list[Any], ends: set[int]):
    quick, careful = (Merger(last_values()) for _ in range(2))
    for number, one in enumerate(changes):
        if isinstance(one, UserProperty):
            identification = Identification(one.subject, {"$set": {one.name: one.value}}, one.time)
            assert quick.set(STREAM, one, number) == careful.add(STREAM, identification, number)
        else:
            assert quick.add(STREAM, one, number) == careful.add(STREAM, one, number)
        assert quick.taken == careful.taken
        if number in ends or number == len(changes) - 1:
            made = [
                [(one.subject, one.operations, one.time, one.others, one.sources) for one in merger.close()]
                for merger in (quick, careful)
            ]
            assert made[0] == made[1]
            assert quick.unchanged == careful.unchanged


@pytest.mark.parametrize("kind", [MessageLine, BatchLine])
def test_input_is_kept_compressed(kind: type[Line]):
    records = [b'{"record": {"id": %d, "text": "%s"}}' % (number, b"x" * 200) for number in range(100)]
    block, kept = b"\n".join(records), KeptInput()
    lines = [kind("s", block, number) for number in range(100)]
    assert [kept.keep(line).record() for line in lines] == [line.record() for line in lines]
    assert {kept.keep(line).stream for line in lines} == {"s"}
    assert 0 < kept.size < len(block) / 5


@pytest.mark.parametrize(("limit", "value"), [("MAX_WAITING", ENTRY_VALUES + 3), ("MAX_INPUT_BYTES", 1)])
def test_no_more_waits_than_memory_allows(
    limit: str, value: int, config, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(routing, limit, value)
    records = [impression(n, key="ada", split=f"flag_{n}") for n in range(9)]
    loaded = load(config | {"load_as": "identify", "max_parallel_requests": 1}, messages(records))
    assert loaded.error == ""
    assert loaded.counts["records_sent"] == (3 if limit == "MAX_WAITING" else 2)  # one block of input
    assert len(sandbox.amplitude_users()[0]["user_properties"]) == 9


def test_each_user_that_waits_takes_memory_as_well_as_each_value():
    merger = Merger(last_values())
    for number, key in enumerate(["ada", "ada", "bob"]):
        merger.set("s", UserProperty(key, {"user_id": key}, f"flag_{number}", "on", 1))
    assert merger.taken == 2 * ENTRY_VALUES + 3


def test_without_a_time_the_later_wins():
    merger = Merger(last_values())
    for value in ("x", "y", "x"):
        merger.add(STREAM, change(1, "a", None, value))
    (made,) = closed(merger)
    assert (made.operations, made.time) == ({"$set": {"a": "x"}}, None)


def test_other_operations_keep_their_number_and_order():
    merger = Merger(last_values())
    plus = [Identification({"user_id": "user-1"}, {"$add": {"n": 1}}, 5, f"add-{n}") for n in range(2)]
    made = [merger.add(STREAM, one) for one in (change(1, "a", 1, "x"), plus[0], change(1, "a", 2, "y"), plus[1])]
    assert made == [True] * 4
    assert [one.operations for one in closed(merger)] == [
        {"$set": {"a": "x"}},
        {"$add": {"n": 1}},
        {"$set": {"a": "y"}},
        {"$add": {"n": 1}},
    ]


def test_other_keys_replace_each_other_as_a_whole():
    """Amplitude resets region and city when country is sent without them."""
    merger = Merger(last_values())

    def add(value: str, time: int, **others: str) -> bool:
        return merger.add(STREAM, Identification({"user_id": "ada"}, {"$set": {"a": value}}, time, "", others))

    assert add("x", 1, country="DE", city="Köln")
    assert not add("y", 3, country="FR", city="Lyon")
    assert not add("z", 2, country="ES", city="Soria")
    assert add("y", 4, platform="Web")  # nothing says that the country is no longer known
    made = closed(merger)
    assert [(one.operations, one.others) for one in made] == [
        ({"$set": {"a": "y"}}, {"country": "FR", "city": "Lyon"}),
        ({}, {"platform": "Web"}),
    ]
    add("y", 5, country="FR", city="Lyon")
    assert closed(merger) == []


def test_after_other_operations_nothing_counts_as_known():
    merger = Merger(last_values())
    merger.add(STREAM, change(1, "a", 1, "x"))
    merger.add(STREAM, Identification({"user_id": "user-1"}, {"$clearAll": "-"}, 2, "clear"))
    assert merger.add(STREAM, change(1, "a", 3, "x"))
    assert not merger.add(STREAM, change(1, "a", 1, "old"))
    assert [one.operations for one in closed(merger)] == [
        {"$set": {"a": "x"}},
        {"$clearAll": "-"},
        {"$set": {"a": "x"}},
    ]


def test_values_that_differ_in_type_differ():
    merger = Merger(last_values())
    for time, value in enumerate((1, True)):
        merger.add(STREAM, change(1, "a", time, value))
        assert [one.operations for one in closed(merger)] == [{"$set": {"a": value}}]


def test_devices_of_one_user_share_its_properties():
    merger = Merger(last_values())
    for time, device in enumerate(("d1", "d2", "d1")):
        subject = {"user_id": "ada", "device_id": device}
        merger.add(STREAM, Identification(subject, {"$set": {"a": time}}, time))
    made = [(one.subject["device_id"], one.operations["$set"]["a"]) for one in closed(merger)]
    assert made == [("d1", 0), ("d2", 1), ("d1", 2)]


def test_a_replay_that_sets_an_older_value_first_ends_with_the_newest():
    """Amplitude drops what carries a known insert_id: the newest value must not look like a repeat of itself."""
    known: set[str] = set()
    held: dict[str, Any] = {}

    def run(*batches: list[Identification]) -> None:
        merger = Merger(last_values())
        for batch in batches:
            for one in batch:
                merger.add(STREAM, one)
            for made in closed(merger):
                if made.insert_id not in known:
                    known.add(made.insert_id)
                    held.update(made.operations["$set"])

    old, other, new = change(1, "a", 1, "old"), change(1, "b", 2, "x"), change(1, "a", 3, "new")
    run([old], [other], [new])
    run([old, other], [new])  # resumed from the beginning, packed another way
    assert held == {"a": "new", "b": "x"}


def test_of_many_users_most_are_remembered_on_disk(monkeypatch: pytest.MonkeyPatch):
    """Neither an older value nor a known one goes out, however many users changed in between."""
    monkeypatch.setattr(remembering, "OWNERS_IN_MEMORY", 100)
    last = last_values()
    merger = Merger(last)
    odd = ["x", 1, 1.5, True, None, ["a", {"b": 2**63 - 1}]]
    for time, is_new in ((5, True), (4, False), (5, False), (6, False)):
        for number in range(1000):
            merger.add(STREAM, change(number, "a", time, odd[number % 6]))
        assert len(closed(merger)) == (1000 if is_new else 0)
    last.forget("uuser-8")
    merger.add(STREAM, change(7, "a", 5, "older than the last one"))
    merger.add(STREAM, change(8, "a", 6, odd[8 % 6]))
    assert [one.subject["user_id"] for one in closed(merger)] == ["user-8"]
    assert len(last._recent) + len(last._before) <= 200
    last.close()


def test_too_many_updates_of_a_user_are_said_once():
    now, warned = 0.0, []
    last = LastValues(lambda: now, lambda: warned.append(now))
    merger = Merger(last)
    for number in range(2000):
        merger.add(STREAM, change(1, "a", number, number))
        list(merger.close())
    assert len(warned) == 1
    now = 4000.0  # an hour later it begins anew
    for number in range(2000, 3700):
        merger.add(STREAM, change(1, "a", number, number))
        list(merger.close())
    assert len(warned) == 1


@pytest.mark.parametrize("via", ["api", "events"])
class TestAgainstTheSandbox:
    def test_the_newest_impression_wins(self, via: str, config, sandbox: Sandbox):
        times = [f"2026-03-14T0{hour}:00:00.000Z" for hour in (3, 9, 1, 5)]
        records = [impression(n, key="ada", treatment=f"t{n}", time=time) for n, time in enumerate(times)]
        records += [impression(9, key="ada", split="other", treatment="on", time=times[0])]
        loaded = load(config | {"load_as": "identify", "identify_via": via}, messages(records))
        assert loaded.error == ""
        (user,) = sandbox.amplitude_users()
        assert user["user_properties"] == {"checkout_redesign": "t1", "other": "on"}
        assert loaded.counts["records_sent"] == 1
        assert loaded.reasons["records_deduplicated", "merged or unchanged"] == 4

    def test_an_event_that_changes_its_user_makes_known_values_unknown(self, via: str, config, sandbox: Sandbox):
        schema = {"properties": {"user_id": {}, "event_type": {}, "time": {}, "user_properties": {}}}
        lines: list[Any] = [
            {"type": "SCHEMA", "stream": stream, "schema": schema, "key_properties": []}
            for stream in ("users", "plays")
        ]
        for number, (stream, plan) in enumerate([("users", "gold"), ("plays", "free"), ("users", "gold")]):
            record = {"user_id": "ada", "time": 1773480413000 + number, "user_properties": {"plan": plan}}
            lines.append(record_message({**record, "event_type": "Play"}, stream))
        loaded = load(config | {"mappings": {"users": {"load_as": "identify"}}, "identify_via": via}, lines)
        assert loaded.error == ""
        assert sandbox.amplitude_users()[0]["user_properties"] == {"plan": "gold"}

    def test_groups_go_their_own_way(self, via: str, config, sandbox: Sandbox):
        schema = {"properties": {"org": {"type": "string"}, "seats": {"type": "integer"}}}
        mapping = {"load_as": "identify", "groups": {"org": "org"}, "group_properties": {"include": ["seats"]}}
        loaded = load(
            config | {"mappings": {"orgs": mapping}, "identify_via": via},
            [
                {"type": "SCHEMA", "stream": "orgs", "schema": schema, "key_properties": ["org"]},
                *(record_message({"org": f"org {n % 10}", "seats": n}, "orgs") for n in range(30)),
                state_message(done=1),
            ],
        )
        assert (loaded.error, loaded.state) == ("", {"done": 1})
        assert {request["path"] for request in sandbox.requests()} == {"/groupidentify"}
        assert sorted(one["group_value"] for one in sandbox.amplitude_identifications()) == [
            f"org {n}" for n in range(10)
        ]
        assert all(
            one["group_properties"] == {"$set": {"seats": 20 + int(one["group_value"][-1])}}
            for one in sandbox.amplitude_identifications()
        )

    def test_operations_of_other_streams(self, via: str, config, sandbox: Sandbox):
        schema = {"properties": {name: {} for name in ("who", "what", "kind", "n")}}
        native = {"properties": {"user_id": {}, "user_properties": {}}}
        before = {"to do": ["page 0", "page 1", "page 2"], "guest": True}
        mapping = {
            "load_as": "identify",
            "user_id": "who",
            "operations": {
                "$set": {"last": "what"},
                "$setOnce": {"first": "what"},
                "$add": {"count": {"value": 1}},
                "$append": {"seen": "what"},
                "$prepend": {"newest": "what"},
                "$preInsert": {"distinct newest": "kind"},
                "$postInsert": {"distinct": "kind"},
                "$remove": {"to do": "what"},
                "$unset": ["guest"],
            },
        }
        records = [{"who": f"user {n % 2}", "what": f"page {n}", "kind": f"kind {n // 4}", "n": n} for n in range(6)]
        loaded = load(
            config | {"mappings": {"views": mapping, "users": {"load_as": "identify"}}, "identify_via": via},
            [
                {"type": "SCHEMA", "stream": "views", "schema": schema, "key_properties": []},
                {"type": "SCHEMA", "stream": "users", "schema": native, "key_properties": []},
                record_message({"user_id": "user 0", "user_properties": before}, "users"),
                *(record_message(record, "views") for record in records),
            ],
        )
        assert loaded.error == ""
        users = {user["user_id"]: user["user_properties"] for user in sandbox.amplitude_users()}
        assert users["user 0"] == {
            "last": "page 4",
            "first": "page 0",
            "count": 3,
            "seen": ["page 0", "page 2", "page 4"],
            "newest": ["page 4", "page 2", "page 0"],
            "distinct newest": ["kind 1", "kind 0"],
            "distinct": ["kind 0", "kind 1"],
            "to do": ["page 1"],
        }

    def test_a_change_of_a_user_goes_out_before_its_next_event(self, via: str, config, sandbox: Sandbox):
        schema = {"properties": {"user_id": {}, "event_type": {}, "time": {}, "plan": {}}}
        mappings = {
            "users": {"load_as": "identify", "user_properties": {"include": ["plan"]}},
            "plays": {"event_properties": {"include": []}},
        }
        lines: list[Any] = [
            {"type": "SCHEMA", "stream": stream, "schema": schema, "key_properties": []} for stream in mappings
        ]
        for number in range(4):
            time = 1773480413000 + number
            lines += [
                record_message({"user_id": "ada", "time": time, "plan": f"p{number}"}, "users"),
                record_message({"user_id": "ada", "time": time, "event_type": f"e{number}"}, "plays"),
            ]
        loaded = load(config | {"mappings": mappings, "identify_via": via}, lines)
        assert loaded.error == ""
        paths = [request["path"] for request in sandbox.requests()]
        if via == "api":
            assert paths == ["/identify", "/batch"] * 4
        else:
            kinds = [event["event_type"] for event in sandbox.amplitude_events()]
            assert kinds == [kind for number in range(4) for kind in ("$identify", f"e{number}")]
