"""The files that a Singer command line names: settings, state, catalog. Each must hold what it is for."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import IO, Any

import click

from .errors import ConnectorError


def read_object(option: str, path: str) -> dict[str, Any]:
    """Return the JSON object that a file holds.

    Args:
        option: Name of the command line's option, for messages.
        path: The file; `-` is standard input.

    Raises:
        ConnectorError: It cannot be read, or holds something else.
    """
    try:
        value = json.loads(sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConnectorError(f"{option}: {path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ConnectorError(f"{option}: {path} is not UTF-8 text.") from None
    except json.JSONDecodeError as error:
        raise ConnectorError(f"{option}: {path} is not valid JSON (line {error.lineno}).") from None
    except (RecursionError, ValueError):
        raise ConnectorError(f"{option}: {path} is not valid JSON (nested too deeply, or a number too long).") from None
    if not isinstance(value, dict):
        raise ConnectorError(f"{option}: {path} must hold one JSON object.")
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        raise ConnectorError(f"{option}: {path} holds a text that is not valid Unicode (a surrogate alone).") from None
    except ValueError:
        raise ConnectorError(f"{option}: {path} is not valid JSON (NaN or Infinity is not a number of JSON).") from None
    return value


class StateFile(click.ParamType):  # type: ignore[type-arg]  # generic only in newer releases
    """The file of `--state`, read and checked before the tap starts."""

    name = "filename"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> IO[str]:
        """Return the state as a text to read.

        Raises:
            ConnectorError: It is not a Singer state.
        """
        state = read_object("--state", str(value))
        bookmarks = state.get("bookmarks", {})
        if not isinstance(bookmarks, dict) or not all(isinstance(one, dict) for one in bookmarks.values()):
            raise ConnectorError(
                f"--state: 'bookmarks' in {value} must be an object with one object for each stream. Use a state that"
                " this tap wrote, or none to read everything."
            )
        return io.StringIO(json.dumps(state))


def check_name(stream: dict[str, Any]) -> None:
    """Name a catalog's entry as its stream, where it has no name.

    Raises:
        ConnectorError: It renames its stream, which the SDK cannot follow.
    """
    own, name = stream["tap_stream_id"], stream.setdefault("stream", stream["tap_stream_id"])
    if name != own:
        raise ConnectorError(
            f"--catalog: stream '{own}' is called '{name}'. To rename it use the setting 'stream_maps': "
            f'{{"{own}": {{"__alias__": "{name}"}}}}.'
        )


class CatalogFile(click.ParamType):  # type: ignore[type-arg]  # as above
    """The file of `--catalog`, read and checked before the tap starts."""

    name = "filename"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> IO[str]:
        """Return the catalog as a text to read.

        Raises:
            ConnectorError: It is not a Singer catalog.
        """
        from jsonschema import Draft7Validator, SchemaError  # noqa: PLC0415  # loads slowly, as the next
        from singer_sdk.singerlib import Catalog  # noqa: PLC0415  # likewise

        catalog = read_object("--catalog", str(value))
        try:
            Catalog.from_dict(catalog)
            for stream in catalog["streams"]:
                Draft7Validator.check_schema(stream["schema"])
                check_name(stream)
        except (AttributeError, KeyError, TypeError, ValueError, SchemaError):
            raise ConnectorError(
                f"--catalog: {value} is not a Singer catalog. Make one with --discover and edit its metadata."
            ) from None
        return io.StringIO(json.dumps(catalog))
