"""The target: how its parts are put together."""

from __future__ import annotations

import os
from functools import cached_property
from typing import Any

from target_split.api.admin_v2 import Admin, Change
from target_split.api.client import Client, Host, Patience
from target_split.common.errors import ConnectorError
from target_split.common.target.services import Stream
from target_split.common.target.sink import StreamingSink
from target_split.common.target.target import StreamingTarget
from target_split.common.target.workers import Workers
from target_split.events.batch_files import BatchFiles
from target_split.events.batch_worker import Portion
from target_split.events.batching import Batch, Packer
from target_split.events.dry_run import Rehearsal
from target_split.events.event import Style
from target_split.events.ledger import Ledger
from target_split.events.sender import Posting
from target_split.mapping.grammar import Defaults
from target_split.mapping.stream_kind import given_for, kind_of
from target_split.segments.sync import Loader, Rules, Writer
from target_split.segments.workspace import Place
from target_split.settings import SETTINGS
from target_split.settings_checks import problems_of
from target_split.sinks import CohortSink, EventSink, MemberSink

SINKS: dict[str, type[EventSink | MemberSink | CohortSink]] = {
    "event": EventSink,
    "segment": MemberSink,
    "cohort": CohortSink,
}


class TargetSplit(StreamingTarget):
    """Singer target for Split (Harness FME)."""

    name = "target-split"
    config_jsonschema = SETTINGS

    def __init__(self, **options: Any) -> None:
        """Set up what all sinks share; nothing is opened or asked before a stream needs it."""
        super().__init__(**options)
        config = self.config
        self.mappings: dict[str, dict[str, Any]] = config["mappings"]
        self.defaults = Defaults(
            config["key"],
            config["traffic_type"],
            config["traffic_types"],
            config["properties"],
            config.get("value"),
            config["segment_name"],
        )
        self.packers: dict[str, Packer] = {}
        self.rehearsal = Rehearsal(self.summary) if config["dry_run"] else None
        self.workers: Workers[Batch] | None = None
        self.ledger: Ledger | None = None
        self.loader: Loader | None = None
        self._files: BatchFiles | None = None
        self.rejects.check()

    # Settings

    def check_settings(self) -> list[str]:
        """Check what JSON types cannot say."""
        return problems_of(self._config)

    # Streams

    def make_sink(self, stream: Stream) -> StreamingSink:
        """Return a new sink for a stream, by its mapping or its columns."""
        kind = kind_of(stream.name, stream.schema, given_for(stream.name, self.mappings))
        return SINKS[kind](stream, self.services, self)

    # Events

    @cached_property
    def event_environment(self) -> str | None:
        """Name of the environment that events carry, if one is set."""
        place = self.place
        return place.environment_name if place else self.config.get("environment")

    @property
    def destination(self) -> list[str] | None:
        """What tells one destination of events from another in the ledger, if there is one."""
        if not self.config.get("ledger_path"):
            return None
        return [self.config["events_url"].rstrip("/"), self.config.get("environment") or ""]

    @property
    def style(self) -> Style:
        """How events look."""
        config = self.config
        join = config["arrays"] == "join"
        return Style(config["event_type_prefix"], config["max_name_length"], self.event_environment, join)

    @property
    def skip_unknown(self) -> bool:
        """Whether events of unknown fate are left, not posted again."""
        return bool(self.config["on_ambiguous"] == "skip")

    def prepare_events(self, traffic_types: frozenset[str]) -> None:
        """Check what events need, and start what sends them.

        Raises:
            ConnectorError: A setting is missing or wrong.
        """
        if not self.config.get("sdk_api_key"):
            raise ConnectorError("Setting 'sdk_api_key' is missing: events need a server-side SDK key.")
        if self.place:
            self.place.check_traffic_types(traffic_types)
        if self.workers is not None or self.rehearsal is not None:
            return
        self.ledger = self._open_ledger()
        host = Host(self.client, self.config["events_url"], "Authorization", self.config["sdk_api_key"], self.patience)
        posting = Posting(host, self.ledger, self.summary, self.rejects, skip_unknown=self.skip_unknown)

        def deliver(batch: Batch) -> None:
            posting.deliver(batch)
            batch.hold.done()

        self.workers = Workers(self.config["max_parallel_requests"], deliver)

    def _open_ledger(self) -> Ledger | None:
        path = self.config.get("ledger_path")
        if not path:
            self.logger.warning(
                "Without 'ledger_path' events that are read again, after a crash for example, are posted again."
            )
            return None
        ledger = Ledger(path, self.config["ledger_days"], skip_unknown=self.skip_unknown)
        for leftover in ledger.leftovers:
            self.summary.note(
                f"An earlier run ended while {len(leftover.ids):,} events of stream '{leftover.stream}' were on "
                f"their way; coming again, they are {'skipped' if self.skip_unknown else 'posted again'}."
            )
        return ledger

    def send(self, batch: Batch | None) -> None:
        """Hand over a batch to be posted; waits while all workers are busy.

        Raises:
            Exception: What stopped the workers.
        """
        if batch is None:
            return
        if self.workers is not None:
            self.workers.submit(self.workers.idlest(), batch)
        elif self.rehearsal is not None:
            self.rehearsal.deliver(batch)

    @property
    def batch_files(self) -> BatchFiles | None:
        """What reads batch files in other processes; None where there is but one processor, or nothing to send."""
        if self._files is None and self.rehearsal is None and (os.cpu_count() or 1) > 1:
            self._files = BatchFiles()
        return self._files

    def count_portion(self, portion: Portion) -> None:
        """Count what was read of a batch file in another process."""
        add = self.summary.add
        add("records_read", len(portion.events) + sum(portion.skipped.values()) + len(portion.others))
        for what, count in portion.shortened.items():
            add("records_shortened", count, what)
        for why, count in portion.skipped.items():
            add("records_skipped", count, why)

    def flush_old(self) -> None:
        """Send events that have waited long enough."""
        if self._files is not None:
            self._files.raise_failure()
        if self.workers is not None:
            self.workers.raise_failure()
        for packer in self.packers.values():
            if packer.batch is not None and packer.batch.is_old():
                self.send(packer.close())

    # Segments

    @cached_property
    def client(self) -> Client:
        """The connections to Split."""
        return Client(self.summary, self.config["max_parallel_requests"])

    @cached_property
    def admin(self) -> Admin | None:
        """The Admin API, where the settings allow it."""
        if not self.config.get("admin_api_key") or not self.config.get("workspace_id"):
            return None
        config = self.config
        return Admin(
            Host(self.client, config["admin_url"], config["auth_header"], config["admin_api_key"], self.patience)
        )

    @cached_property
    def place(self) -> Place | None:
        """The workspace and environment, where the Admin API can be asked."""
        return Place(self.admin, self.config["workspace_id"], self.config.get("environment")) if self.admin else None

    def prepare_segments(self, traffic_types: frozenset[str]) -> Loader:
        """Check what segments need, and return what fills them.

        Raises:
            ConnectorError: A setting is missing or wrong.
        """
        missing = [n for n in ("admin_api_key", "workspace_id", "environment") if not self.config.get(n)]
        if missing:
            names = ", ".join(f"'{name}'" for name in missing)
            raise ConnectorError(f"Segments need the settings {names}, which are missing.")
        assert self.admin is not None  # noqa: S101  # as are the settings
        assert self.place is not None  # noqa: S101
        self.place.check_traffic_types(traffic_types)
        if self.loader is None:
            config = self.config
            rules = Rules(
                Change(config["change_title"], config["change_comment"]),
                config["allow_empty_segments"],
                float(config["max_removal_share"]),
                config["dry_run"],
            )
            writer = Writer(self.admin, self.place, rules, self.summary, self.logger)
            self.loader = Loader(writer, self.services.checkpoints, self.logger)
        return self.loader

    # The end

    def deliver_all(self) -> None:
        """Deliver all events and bring in all lists."""
        if self._files is not None:
            self._files.finish()
        for packer in self.packers.values():
            self.send(packer.close())
        if self.workers is not None:
            self.workers.wait()
            self.workers.close()
        if self.loader is not None:
            self.loader.finish()
        self._close()

    def give_up(self) -> None:
        """Finish requests that are on their way, so that the ledger knows what became of them."""
        if self._files is not None:
            self._files.give_up()
        if self.workers is not None:
            self.workers.abort(ConnectorError("The run was stopped."))
        self._close()

    def _close(self) -> None:
        if self.ledger is not None:
            self.ledger.close()
        self.client.close()

    def patience(self, what: str) -> Patience:
        """Return patience for one request."""
        return Patience(self.config["retry_timeout_seconds"], self.stopping, what, self.summary)
