"""Setting `stream_maps` of the SDK: what is wrong with it, in words. Pure."""

from __future__ import annotations

import fnmatch
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from singer_sdk.exceptions import MappingError

from .errors import hint


def unmatched(stream_maps: Any, streams: Iterable[str]) -> Iterator[str]:
    """Yield a warning for each entry that is for none of the streams: a hash with a typing error hides nothing."""
    names = list(streams)
    for entry, definition in (stream_maps or {}).items():
        source = definition.get("__source__", entry) if isinstance(definition, dict) else entry
        if not entry.startswith("__") and not any(fnmatch.fnmatch(name, source) for name in names):
            yield f"Setting 'stream_maps.{entry}' matches no stream of this run.{hint(source, names)}"


def failure_message(error: BaseException) -> str | None:
    """Return what to tell a user about an error inside a stream map; None for any other error.

    The text of an error that comes from a record's value is left out: it may hold the value.
    """
    if isinstance(error, MappingError):
        return f"Setting 'stream_maps': {str(error).rstrip('.')}. Correct the expression."
    frames = traceback.extract_tb(error.__traceback__)
    if not any(Path(frame.filename).parts[-2:] == ("singer_sdk", "mapper.py") for frame in frames):
        return None
    return (
        f"Setting 'stream_maps': an expression fails on a record ({type(error).__name__}). Correct it, so that it"
        " allows for such values."
    )
