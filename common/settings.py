"""What every connector checks and cleans in its settings before they are used. Pure.

A blank setting is a setting that is not set: `""`, spaces, null, a list of nothing but blanks; from a file as from the
environment. Lists lose their blank items. Objects are left as they are: their members belong to the user.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

# Names and addresses, IPv6 with its colons.
HOST = re.compile(r"(?!-)[\w-]{1,63}(\.(?!-)[\w-]{1,63})*\.?|[0-9a-f:.]*:[0-9a-f:.]*", re.ASCII | re.IGNORECASE)
LONGEST_HOST = 253
PRINTABLE = re.compile(r"[\x20-\x7e]*")
# Pasted text brings these along: zero-width space and joiners, byte order mark.
INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff"

TRUE, FALSE = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off"})
# JSON Schema's names of types, as users know them.
TYPE_WORDS = {
    "object": "an object",
    "array": "a list",
    "integer": "a whole number",
    "boolean": "true or false",
}

JSONSchema = Mapping[str, Any]


def without_blanks(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings without those that are not set."""
    cleaned = {name: _without_blank_items(value) for name, value in config.items()}
    return {name: value for name, value in cleaned.items() if not is_blank(value)}


def is_blank(value: Any) -> bool:
    """Whether a value of a setting means "not set"."""
    return value is None or (isinstance(value, str) and not value.strip())


def _without_blank_items(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    items = [item for item in value if not is_blank(item)]
    return items if items or not value else None


def settings_from_environment(
    schema: JSONSchema, prefix: str, environment: Mapping[str, str]
) -> tuple[dict[str, Any], list[str]]:
    """Return the settings of environment variables such as `TAP_AMPLITUDE_PATH`, and what is wrong with others."""
    variables = {name: prefix + name.upper().replace("-", "_") for name in schema["properties"]}
    texts = {name: environment.get(variable) for name, variable in variables.items()}
    return read_texts(without_blanks(texts), schema, variables)


def read_texts(
    config: Mapping[str, Any], schema: JSONSchema, variables: Mapping[str, str] | None = None
) -> tuple[dict[str, Any], list[str]]:
    """Parse text settings by their types: Meltano passes the text of variables on as it is.

    Returns:
        The settings that could be read, and what is wrong with others, a sentence each.
    """
    read, problems = {}, []
    for name, value in config.items():
        setting = schema["properties"].get(name)
        try:
            read[name] = _parse(value, _types(setting)) if setting and isinstance(value, str) else value
        except ValueError as error:
            source = f" (environment variable {variables[name]})" if variables else ""
            problems.append(f"Setting '{name}'{source} must be {error}.")
    return without_blanks(read), problems


def _parse(text: str, types: set[str]) -> Any:
    """Return the value that a variable holds, by the types that its setting may have.

    Raises:
        ValueError: None of them. Its message says what is wanted, without the value.
    """
    stripped = text.strip()
    if types & {"array", "object"} and stripped[:1] in {"[", "{"}:
        try:
            return json.loads(stripped)
        except (ValueError, RecursionError):
            raise ValueError("valid JSON") from None
    if "string" in types:
        return text
    if "boolean" in types and stripped.lower() in TRUE | FALSE:
        return stripped.lower() in TRUE
    for name, number in (("integer", int), ("number", float)):
        if name in types:
            try:
                return number(stripped)
            except ValueError:
                pass
    if "array" in types:
        return [item.strip() for item in text.split(",")]
    raise ValueError(type_words(sorted(types)))


def _types(schema: JSONSchema) -> set[str]:
    """Return the names of the types that a schema allows, but for null."""
    given = schema.get("type", [])
    types = {given} if isinstance(given, str) else set(given)
    for keyword in ("anyOf", "oneOf"):
        types = types.union(*(_types(option) for option in schema.get(keyword, ())))
    return types - {"null"}


def type_words(types: Iterable[str]) -> str:
    """Return names of JSON Schema types in words: `a list or an object`."""
    return " or ".join(TYPE_WORDS.get(name, f"a {name}") for name in types if name != "null")


def secret_names(schema: JSONSchema) -> list[str]:
    """Return the names of the settings that are secret."""
    return [name for name, setting in schema["properties"].items() if setting.get("secret")]


def clean_keys(config: dict[str, Any], schema: JSONSchema) -> tuple[list[str], list[str]]:
    """Strip blanks, line feeds and invisible characters from all keys, in place.

    Returns:
        Names of the keys that changed, and what is wrong with others, a sentence each.
    """
    stripped, problems = [], []
    for name in secret_names(schema):
        key = config.get(name)
        if not isinstance(key, str):
            continue
        config[name] = key.strip().strip(INVISIBLE).strip()
        if config[name] != key:
            stripped.append(name)
        if not PRINTABLE.fullmatch(config[name]):
            problems.append(
                f"Setting '{name}' holds characters that no key has (control characters, or others than ASCII). Copy it"
                " again."
            )
    return stripped, problems


def secrets_of(config: Mapping[str, Any], schema: JSONSchema) -> list[str]:
    """Return the secrets that settings hold, those inside objects included."""
    return [text for name in secret_names(schema) for text in _texts(config.get(name))]


def _texts(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [text for member in value.values() for text in _texts(member)]
    return [value] if isinstance(value, str) else []


def url_problems(setting: str, url: str, example: str) -> list[str]:
    """Return what is wrong with a setting that must be a scheme and a host, perhaps with a port, as sentences."""
    if has_host(url):
        parts = urlsplit(url)
        if not (parts.query or parts.fragment or "@" in parts.netloc or parts.path.strip("/")):
            return []
    return [f"Setting '{setting}' must be a URL of scheme and host only, for example {example}."]


def has_host(url: str) -> bool:
    """Whether a URL has a scheme of the web and a host that can exist."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises when it is not a port
    except ValueError:
        return False
    host = parts.hostname or ""
    return parts.scheme in ("http", "https") and len(host) <= LONGEST_HOST and HOST.fullmatch(host) is not None


def is_unencrypted(url: str) -> bool:
    """Whether a URL sends keys and data over a network in plain text: http, and not to this machine."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "http" and not _is_loopback(parts.hostname or "")


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
