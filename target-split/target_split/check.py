"""`--check`: connects, checks keys and permissions, and says what can be seen. Nothing is changed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from target_split.api.admin import AdminApi
from target_split.api.events import BULK_PATH, KEY_REFUSED, REACTIONS
from target_split.common.errors import ConnectorError
from target_split.common.private_files import check_private_file
from target_split.common.words import counted
from target_split.connection import Connection
from target_split.ledger.open_ledger import is_database, open_ledger

EMPTY_BATCH = b"[]"


def check_lines(config: Mapping[str, Any], connection: Connection) -> Iterator[str]:
    """Yield what can be seen, a line each.

    Raises:
        ConnectorError: A key, a permission or a setting is wrong; the message says which.
    """
    if not config.get("sdk_api_key") and connection.admin is None:
        raise ConnectorError(
            "Nothing can be checked: set 'sdk_api_key' for events, or 'admin_api_key' with 'workspace_id' (or "
            "'organization' and 'project') for segments."
        )
    if config.get("sdk_api_key"):
        yield from check_events(config, connection)
    else:
        yield "Events: 'sdk_api_key' is not set, so none can be sent."
    if connection.admin is not None:
        yield from check_segments(config, connection, connection.admin)
    else:
        yield "Segments: 'admin_api_key' and 'workspace_id' are not both set, so none can be changed."
    yield from check_ledger(config)


def check_events(config: Mapping[str, Any], connection: Connection) -> Iterator[str]:
    """Check the SDK key with a request that holds no events."""
    host = connection.events_host
    answer = host.new_retry().run(lambda: host.send("POST", BULK_PATH, EMPTY_BATCH))
    if REACTIONS.get(answer.status) is KEY_REFUSED:
        raise ConnectorError(KEY_REFUSED.words.format(status=answer.status))
    if answer.is_foreign or answer.status not in (200, 202, 400, 422):
        raise ConnectorError(
            f"Setting 'events_url': {config['events_url']} answered {answer.status}, which Split's events API does not."
        )
    yield f"Events: {config['events_url']} accepts the key in 'sdk_api_key'."


def check_segments(config: Mapping[str, Any], connection: Connection, admin: AdminApi) -> Iterator[str]:
    """Check the Admin API key, and list what it can see."""
    environments = admin.environments()
    yield f"Segments: workspace {admin.scope}."
    yield "Environments: " + (", ".join(f"{one.name} (id {one.id})" for one in environments) or "none") + "."
    traffic_types = sorted(admin.traffic_types())
    yield f"Traffic types: {', '.join(traffic_types) or 'none'}."
    connection.check_traffic_types({config["traffic_type"].lower()})
    environment = connection.environment
    if environment is None:
        yield "Setting 'environment' is not set: segments need it."
        return
    count = len(admin.active_segments(environment.id))
    yield f"Environment {environment.name} has {counted(count, 'segment')}."


def check_ledger(config: Mapping[str, Any]) -> Iterator[str]:
    """Say what the ledger is."""
    path = config.get("ledger_path")
    if not path:
        yield "Ledger: 'ledger_path' is not set, so events that are read again are posted again."
        return
    if is_database(path):
        open_ledger(path, config["ledger_days"], skip_ambiguous=False, now=time.time).close()
        yield "Ledger: the database can be written."
        return
    file = Path(path).expanduser().absolute()
    if check_private_file(file, "ledger_path"):
        yield f"Ledger: {file}, {file.stat().st_size:,} bytes."
    else:
        yield f"Ledger: {file} will be created."
