"""What `--check` prints: the folder and its newest file, and what the Admin API shows. Changes nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from tap_split_impressions.common.folder.folder import Folder
from tap_split_impressions.common.record_paths import glob_matcher
from tap_split_impressions.common.timestamps import rfc3339
from tap_split_impressions.common.words import counted
from tap_split_impressions.settings import is_v4
from tap_split_impressions.streams.services import AdminLists

MOST_NAMES = 20


def look_at_folder(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield how many files the folder holds, and which is the newest."""
    folder = Folder(config["path"], config.get("storage_options"), config.get("ignore") or ())
    files = folder.listing()
    if not files:
        yield f"Folder {config['path']}: no data files."
        return
    newest = max(files, key=lambda file: file.arrived)
    megabytes = sum(file.size for file in files) / 1_000_000
    age = max(0, round((time.time() - newest.arrived) / 60))
    yield f"Folder {config['path']}: {counted(len(files), 'data file')}, {megabytes:,.1f} MB."
    yield f"Newest file: {newest.path}, arrived {rfc3339(round(newest.arrived * 1000))} ({counted(age, 'minute')} ago)."


def look_at_admin_api(api: AdminLists, config: Mapping[str, Any]) -> Iterator[str]:
    """Yield the scope, environments, traffic types and flags that the key can see."""
    yield f"Admin API {'v4' if is_v4(config) else 'v2'}: workspace {api.scope}."
    environments = [f"{row.get('name')} ({row.get('id')})" for row in api.environments]
    yield f"Environments: {listed(environments)}."
    if wanted := config.get("environments"):
        is_wanted = glob_matcher(wanted)
        if not any(is_wanted(str(row.get(name))) for row in api.environments for name in ("id", "name")):
            yield f"Warning: the setting 'environments' matches none of them: {', '.join(wanted)}."
    yield f"Traffic types: {listed([str(row.get('name')) for row in api.traffic_types])}."
    yield f"Feature flags: {len(api.feature_flags):,}. Segments: {len(api.segments):,}."


def listed(names: list[str]) -> str:
    """Return names in order, the first twenty of them."""
    shown = ", ".join(sorted(names)[:MOST_NAMES]) or "none"
    return shown + (f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else "")
