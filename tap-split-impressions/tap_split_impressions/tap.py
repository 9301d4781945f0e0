"""The tap: its settings, its streams, and how it stops."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import ClassVar, NoReturn

from singer_sdk import Stream, Tap
from singer_sdk.helpers.capabilities import PluginCapabilities

from tap_split_impressions.api import admin_v2, admin_v4
from tap_split_impressions.api.admin_v2 import AdminV2
from tap_split_impressions.api.admin_v4 import AdminV4
from tap_split_impressions.api.client import Access
from tap_split_impressions.check import look_at_admin_api, look_at_folder
from tap_split_impressions.common.retry import Retry
from tap_split_impressions.common.summary import Summary
from tap_split_impressions.common.tap.tap import PlainTap
from tap_split_impressions.common.tap.writer import MessageWriter
from tap_split_impressions.settings import SCHEMA, account_of, is_v4, problems
from tap_split_impressions.streams.admin import LISTS
from tap_split_impressions.streams.impressions import ImpressionsStream
from tap_split_impressions.streams.services import AdminLists, Services
from tap_split_impressions.streams.summary import PHRASES


class TapSplitImpressions(PlainTap):
    """Singer tap for the feature-flag impressions of Split (Harness FME)."""

    name = "tap-split-impressions"
    package_name = "tap-split-impressions"
    message_writer_class = MessageWriter
    capabilities: ClassVar = [one for one in Tap.capabilities if one is not PluginCapabilities.BATCH]

    config_jsonschema = SCHEMA

    def check_settings(self) -> list[str]:
        """Return what is wrong with settings beyond their types."""
        return problems(self.config)

    def discover_streams(self) -> Sequence[Stream]:
        """Return the streams that the settings allow."""
        api = self._admin_lists()
        writer: MessageWriter = self.message_writer  # type: ignore[assignment]  # see `message_writer_class`
        services = Services(writer, self.summary, self.stopping, self._end, api)
        lists = [stream(self, api, services) for stream in LISTS] if api else []
        return [ImpressionsStream(self, services), *lists]

    @cached_property
    def summary(self) -> Summary:
        """The counters of the run."""
        return Summary(self.logger, self.metrics_logger, PHRASES)

    def sync_all(self) -> None:  # type: ignore[misc]  # only framed: nothing the SDK does in it is changed
        """Sync all streams and end with a summary."""
        failed = True
        try:
            super().sync_all()
            failed = False
        finally:
            self.summary.close(failed=failed)

    def _admin_lists(self) -> AdminLists | None:
        """Return the lists of the Admin API; None without a key."""
        config = self.config
        if not (key := config.get("admin_api_key")):
            return None
        seconds = config["retry_timeout_seconds"]
        url = config.get("api_url") or (admin_v4.DEFAULT_URL if is_v4(config) else admin_v2.DEFAULT_URL)
        access = Access(url, key, lambda report: Retry(seconds, self.stopping, report), self.logger, self._end)
        organization, project = config.get("organization"), config.get("project")
        if is_v4(config):
            return AdminV4(access, account_of(config) or "", organization or "", project or "")
        return AdminV2(access, config["auth_header"], config.get("workspace_id"), organization, project)

    def _end(self) -> NoReturn:
        raise SystemExit(self.exit_code)

    def check(self) -> Iterator[str]:
        """Look at the folder and the Admin API; yield what can be seen, a line each."""
        yield from look_at_folder(self.config)
        if api := self._admin_lists():
            yield from look_at_admin_api(api, self.config)

    def stop(self) -> None:
        """Write the current block and its state, then end; nothing is logged in a signal's handler."""
        self.message_writer.stop(self.exit_code)  # type: ignore[attr-defined]  # likewise
