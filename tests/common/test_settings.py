"""Settings before their use: blanks, the environment, keys, URLs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.settings import (
    clean_keys,
    is_unencrypted,
    read_texts,
    secrets_of,
    settings_from_environment,
    url_problems,
    without_blanks,
)

SCHEMA: dict[str, Any] = {
    "properties": {
        "api_key": {"type": ["string"], "secret": True},
        "url": {"type": ["string", "null"]},
        "number": {"type": ["integer", "null"]},
        "share": {"type": ["number", "null"]},
        "is-on": {"type": ["boolean", "null"]},
        "flags": {"type": ["array", "null"], "items": {"type": "string"}},
        "mappings": {"type": ["object", "null"]},
        "user_id": {"oneOf": [{"type": "string"}, {"type": "array"}, {"type": "object"}]},
        "storage": {"type": ["object", "null"], "secret": True},
    }
}
BLANKS = st.text(st.sampled_from(" \t\r\n\u00a0"), max_size=3)


def from_environment(**variables: str) -> tuple[dict[str, Any], list[str]]:
    return settings_from_environment(
        SCHEMA, "TAP_TEST_", {f"TAP_TEST_{name}": text for name, text in variables.items()}
    )


# Blank is not set


@given(blank=BLANKS)
def test_blank_means_not_set(blank: str):
    config = {"a": blank, "b": [blank], "c": [blank, blank], "d": None, "e": [blank, "x"], "f": {"keep": blank}, "g": 0}
    assert without_blanks(config) == {"e": ["x"], "f": {"keep": blank}, "g": 0}


def test_an_empty_list_stays():
    assert without_blanks({"flags": []}) == {"flags": []}


@given(blank=BLANKS)
def test_blank_variables_are_not_set(blank: str):
    variables = {name.upper().replace("-", "_"): blank for name in SCHEMA["properties"]}
    assert from_environment(**variables) == ({}, [])


# The environment


def test_each_type_is_read():
    config, problems = from_environment(
        API_KEY="k",
        URL="http://x",
        NUMBER=" 7 ",
        SHARE="0.5",
        IS_ON="Yes",
        FLAGS="a, b",
        MAPPINGS='{"*": {}}',
    )
    assert problems == []
    assert config == {
        "api_key": "k",
        "url": "http://x",
        "number": 7,
        "share": 0.5,
        "is-on": True,
        "flags": ["a", "b"],
        "mappings": {"*": {}},
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [("user", "user"), ('["a", "b"]', ["a", "b"]), (' {"field": "x"}', {"field": "x"}), ("a,b", "a,b")],
)
def test_a_setting_of_several_types(text: str, value: Any):
    assert from_environment(USER_ID=text) == ({"user_id": value}, [])


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("NUMBER", "seven", "a whole number"),
        ("NUMBER", "1.5", "a whole number"),
        ("NUMBER", "9" * 5000, "a whole number"),
        ("SHARE", "half", "a number"),
        ("IS_ON", "maybe", "true or false"),
        ("MAPPINGS", "{'*': 1}", "valid JSON"),
        ("MAPPINGS", "*", "an object"),
        ("FLAGS", "[a]", "valid JSON"),
        ("MAPPINGS", "[" * 100_000, "valid JSON"),
    ],
)
def test_what_cannot_be_read_names_setting_and_variable(name: str, text: str, wanted: str):
    config, [problem] = from_environment(**{name: text})
    assert config == {}
    assert f"(environment variable TAP_TEST_{name}) must be {wanted}." in problem
    assert text not in problem


def test_texts_in_a_file_are_read_like_variables():
    texts = {"number": "7", "share": "0.5", "is-on": "no", "flags": "a, ,b", "mappings": '{"a.b": {}}', "user_id": "id"}
    values = {"number": 7, "share": 0.5, "is-on": False, "flags": ["a", "b"], "mappings": {"a.b": {}}, "user_id": "id"}
    assert read_texts(texts | {"unknown": "1"}, SCHEMA) == (values | {"unknown": "1"}, [])
    assert read_texts(values, SCHEMA) == (values, [])


def test_a_text_in_a_file_that_cannot_be_read_names_its_setting():
    assert read_texts({"number": "seven", "url": "u"}, SCHEMA) == (
        {"url": "u"},
        ["Setting 'number' must be a whole number."],
    )


@given(st.sampled_from(sorted(SCHEMA["properties"])), st.text())
def test_no_variable_raises(name: str, text: str):
    config, problems = from_environment(**{name.upper().replace("-", "_"): text})
    assert len(config) + len(problems) <= 1


# Keys


@pytest.mark.parametrize("pasted", ["k3y\n", " k3y ", "\tk3y\r\n", "\ufeffk3y", "k3y\u200b", "k3y \u200b"])
def test_a_pasted_key_is_stripped_and_named(pasted: str):
    config = {"api_key": pasted, "url": " x "}
    assert clean_keys(config, SCHEMA) == (["api_key"], [])
    assert config == {"api_key": "k3y", "url": " x "}


@pytest.mark.parametrize("key", ["k3\ny", "k3\0y", "kéy", "ключ", "k\u200b3y"])
def test_a_key_that_no_header_can_hold_is_refused_and_not_shown(key: str):
    stripped, [problem] = clean_keys({"api_key": key}, SCHEMA)
    assert stripped == []
    assert "Setting 'api_key' holds characters that no key has" in problem
    assert key not in problem


def test_a_good_key_stays():
    config = {"api_key": "0123-abc_DEF.+/="}
    assert clean_keys(config, SCHEMA) == ([], [])
    assert config == {"api_key": "0123-abc_DEF.+/="}


def test_secrets_inside_objects_are_found():
    assert secrets_of({"api_key": "k", "url": "u", "storage": {"secret": "s", "deep": {"token": "t"}}}, SCHEMA) == [
        "k",
        "s",
        "t",
    ]


# URLs


@pytest.mark.parametrize(
    "url",
    ["https://api.test", "http://127.0.0.1:8010", "http://localhost/", "https://[::1]:1", "https://a-b.c_d.test."],
)
def test_scheme_and_host_are_fine(url: str):
    assert url_problems("api_url", url, "https://api.test") == []


@pytest.mark.parametrize(
    "url",
    [
        "api.test",
        "ftp://api.test",
        "https://",
        "https://api.test/v2",
        "https://api.test?x=1",
        "https://user:pw@api.test",
        "https://user@api.test",
        "https://api.test:99999",
        "https://api.test:port",
        "https://[::1",
        "http://a..b",
        "http://.a",
        "http://" + "a" * 64,
        "http://" + "a." * 130 + "b",
        "https://api .test",
        "https://{api}",
        "https://bücher.test\x00",
    ],
)
def test_anything_else_names_the_setting(url: str):
    [problem] = url_problems("api_url", url, "https://api.test")
    assert problem == "Setting 'api_url' must be a URL of scheme and host only, for example https://api.test."


@given(st.text())
def test_no_url_raises(text: str):
    assert isinstance(url_problems("api_url", "http://" + text, "x"), list)
    assert isinstance(is_unencrypted("http://" + text), bool)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://api.test", True),
        ("http://10.0.0.7:8010", True),
        ("https://api.test", False),
        ("http://127.0.0.1:8010", False),
        ("http://[::1]:8010", False),
        ("http://localhost", False),
        ("s3://bucket", False),
    ],
)
def test_plain_text_over_a_network_is_told(url: str, expected: bool):
    assert is_unencrypted(url) is expected
