"""`--check`: what can be read with these settings. Changes nothing and costs none of the month's downloads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from tap_amplitude.api.client import Client
from tap_amplitude.api.errors import InvalidKeysError, NoDataError, NoPermissionError, TooLargeError
from tap_amplitude.api.quota import cohort_usage
from tap_amplitude.cohorts.lists import LIST_PATH
from tap_amplitude.cohorts.selection import Cohort
from tap_amplitude.common.errors import ConnectorError, RetriableError
from tap_amplitude.common.folder.folder import Folder
from tap_amplitude.common.words import counted
from tap_amplitude.export.windows import HOUR, Window, newest_end
from tap_amplitude.files.kinds import Kind, kind_of_name
from tap_amplitude.streams.base import Services

MAX_LISTED_COHORTS = 50
FOLDER_WORDS: Mapping[Kind | None, str] = {
    Kind.EVENTS: "of events",
    Kind.MERGED_IDS: "of merged ids",
    Kind.CHANGES_CSV: "with lists of cohorts",
    Kind.RECEIVED: "of the receiver",
}


def check(services: Services, config: Mapping[str, Any], other_regions: Mapping[str, Client]) -> Iterator[str]:
    """Yield lines about the account: region, newest hour that can be exported, cohorts, quota.

    Raises:
        ConnectorError: The keys, the region or the address are wrong.
    """
    if path := config.get("path"):
        yield from folder_lines(path, config.get("storage_options"))
        if not config.get("api_key"):
            return
    try:
        newest = newest_hour(services, config)
    except InvalidKeysError:
        for region, client in other_regions.items():
            if knows_keys(client):
                raise ConnectorError(f"These keys belong to region '{region}': set 'region' to it.") from None
        raise
    host = config.get("api_url")
    yield f"Region: {config['region']}" + (f" (requests go to {host})" if host else "")
    yield newest
    try:
        cohorts = services.cohorts.listed
    except NoPermissionError as error:
        yield f"Cohorts: none can be read. {error}"
        return
    yield f"Cohorts: {len(cohorts)}"
    for cohort in cohorts[:MAX_LISTED_COHORTS]:
        yield f"  {cohort['id']}: {described(cohort)}"
    if len(cohorts) > MAX_LISTED_COHORTS:
        yield f"  and {len(cohorts) - MAX_LISTED_COHORTS} more"
    usage = cohort_usage(services.client)
    yield f"Cohort downloads this month: {f'{usage[0]:,} of {usage[1]:,} used' if usage else 'Amplitude does not say'}"


def folder_lines(path: str, options: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield how many files of which kind the folder holds, and which is the newest."""
    files = Folder(path, options).listing()
    kinds = Counter(FOLDER_WORDS.get(kind_of_name(file.path), "told by content") for file in files)
    counts = ", ".join(f"{count:,} {words}" for words, count in sorted(kinds.items()))
    yield f"Files in {path}: {counts or 'none'}"
    if files:
        newest = max(files, key=lambda file: file.arrived)
        yield f"Newest file: {newest.path}, arrived {datetime.fromtimestamp(newest.arrived, UTC):%Y-%m-%d %H:%M} UTC"


def knows_keys(client: Client) -> bool:
    """Whether a region recognizes the keys."""
    try:
        client.get_once(LIST_PATH, "the list of cohorts")
    except (InvalidKeysError, RetriableError):
        return False
    except ConnectorError:
        pass  # refused for another reason than the keys
    return True


def newest_hour(services: Services, config: Mapping[str, Any]) -> str:
    """Return a line about the newest hour that can be exported, from the head of its answer."""
    end = newest_end(datetime.now(UTC), config["lag_hours"])
    window = Window(end - HOUR, end)
    what = f"the events of {window}"
    try:
        with services.client.export(window.parameters, what):
            found = "holds events"
    except NoDataError:
        found = "holds no events"
    except TooLargeError as error:
        found = f"cannot be exported at once: {error}"
    except RetriableError as error:
        raise ConnectorError(f"{error}.") from error
    return f"Newest hour that can be exported: {window.start:%Y-%m-%d %H:%M} UTC, which {found}"


def described(cohort: Cohort) -> str:
    """Return a cohort's name, size and kind in words."""
    size = cohort.get("size")
    members = counted(size, "member") if type(size) is int else "size unknown"
    kind = f"of {cohort['count_group'] or 'User'}"
    return f"{cohort.get('name') or '(no name)'}, {members}, {kind}" + (", archived" if cohort.get("archived") else "")
