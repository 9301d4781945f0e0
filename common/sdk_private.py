"""Every private name of the Singer SDK that is used here: a release may drop it without notice, so a test watches them.

Imports are here; private methods that our classes override are listed below.
"""

from __future__ import annotations

from singer_sdk import Stream
from singer_sdk.helpers._batch import BaseBatchFileEncoding, BatchConfig, BatchFileFormat, StorageTarget
from singer_sdk.helpers._flattening import flatten_key
from singer_sdk.plugin_base import PluginBase, _ConfigInput

ConfigInput = _ConfigInput

__all__ = [
    "OVERRIDDEN",
    "USED",
    "BaseBatchFileEncoding",
    "BatchConfig",
    "BatchFileFormat",
    "ConfigInput",
    "StorageTarget",
    "flatten_key",
]

# Private methods that our subclasses replace. If the SDK renames one, ours would silently never be called.
OVERRIDDEN: dict[type, tuple[str, ...]] = {
    PluginBase: ("_handle_termination", "_validate_config"),
    Stream: (
        "_increment_stream_state",
        "_sync_records",
        "_write_starting_replication_value",
        "_write_state_message",
    ),
}

# Private attributes and methods that our code reads or calls.
USED: dict[type, tuple[str, ...]] = {PluginBase: ("_config",)}
