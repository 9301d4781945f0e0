"""The target: what its settings must fulfil, and how its parts are put together."""

from __future__ import annotations

import fnmatch
import time
from collections.abc import Callable
from functools import partial
from typing import IO, Any

import click

from target_amplitude.api.client import Client
from target_amplitude.api.endpoints import HOSTS, events_route, group_identify_route, identify_route
from target_amplitude.common.errors import ConnectorError, hint
from target_amplitude.common.record_paths import MappingError, field_or_literal, source_paths
from target_amplitude.common.sdk_private import ConfigInput
from target_amplitude.common.settings import url_problems
from target_amplitude.common.target.services import Stream
from target_amplitude.common.target.target import StreamingTarget
from target_amplitude.common.target.workers import Workers
from target_amplitude.delivery.batching import Item
from target_amplitude.delivery.dry_run import DryRun
from target_amplitude.delivery.identify_buffer import UPDATES_PER_HOUR, LastValues
from target_amplitude.delivery.requests import Shared
from target_amplitude.delivery.router import Dispatch, Routes
from target_amplitude.delivery.seen import Seen
from target_amplitude.delivery.sender import Sender
from target_amplitude.delivery.test_event import send_marked_event
from target_amplitude.mapping.grammar import LoadSettings, check_event_type, check_identity, check_mapping
from target_amplitude.settings import SETTINGS
from target_amplitude.sinks import AmplitudeSink


class TargetAmplitude(StreamingTarget):
    """Loads any stream into Amplitude: as events, as exposures of flags, or as user properties."""

    name = "target-amplitude"
    config_jsonschema = SETTINGS

    def __init__(self, **options: Any) -> None:
        """Check what no schema can, and start the workers."""
        super().__init__(**options)
        config = self.config
        self.loading = LoadSettings(
            **{name: config[name] for name in LoadSettings.__dataclass_fields__ if name in config}
        )
        self.rejects.check()
        self.seen = Seen()
        self.last_values = LastValues(time.monotonic, self._warn_of_updates)
        self.client = Client(
            config.get("api_url") or HOSTS[config["region"]], config["max_parallel_requests"], self.summary
        )
        self._start_workers()

    def make_sink(self, stream: Stream) -> AmplitudeSink:
        """Return a new sink for a stream."""
        return AmplitudeSink(stream, self.services, self.loading, self.dispatch, self.seen)

    def _start_workers(self) -> None:
        config = self.config
        count = config["max_parallel_requests"]
        shared = Shared(
            client=self.client,
            summary=self.summary,
            logger=self.logger,
            reject=self.rejects.reject,
            patience=config["retry_timeout_seconds"],
            stopping=self.stopping,
        )
        dry_run = DryRun(self.summary)
        self._senders: list[Sender | DryRun] = [dry_run if config["dry_run"] else Sender(shared) for _ in range(count)]
        self._workers: Workers[Callable[[], None]] = Workers(count, lambda send: send())
        key, shortest = config["api_key"], config["min_id_length"]
        self.routes = Routes(
            events=events_route(key, config["endpoint"], shortest),
            group_identifications=group_identify_route(key),
            identifications=identify_route(key, shortest) if config["identify_via"] == "api" else None,
        )
        self.dispatch = Dispatch(
            submit=self._submit,
            count=count,
            routes=self.routes,
            checkpoints=self.services.checkpoints,
            reject=self.rejects.reject,
            last=self.last_values,
        )

    def _submit(self, worker: int, items: list[Item] | None) -> None:
        self._workers.submit(worker, partial(self._senders[worker].deliver, items))

    def flush_old(self) -> None:
        """Hand over what has been open for long, and wake workers with whom something has waited long enough."""
        self._workers.raise_failure()
        self.dispatch.flush_old()
        for number, sender in enumerate(self._senders):
            if sender.due:
                self._submit(number, None)

    def deliver_all(self) -> None:
        """Hand over everything and wait until it is delivered.

        Raises:
            ConnectorError: Something could not be delivered.
        """
        self.dispatch.flush_all()
        for number in range(len(self._senders)):
            self._submit(number, None)
        self._workers.wait()
        undelivered = sum(sender.undelivered for sender in self._senders)
        if undelivered:
            raise ConnectorError(
                f"Stopped before {undelivered:,} of what was read could be delivered. Run again to go on."
            )
        self._workers.close()
        self._close()
        self._note_unused_mappings()

    def _note_unused_mappings(self) -> None:
        for glob in self.loading.mappings:
            if not any(fnmatch.fnmatchcase(stream, glob) for stream in self.stream_names):
                self.logger.warning(
                    "Setting 'mappings.%s' fits no stream of this run.%s", glob, hint(glob, self.stream_names)
                )

    def give_up(self) -> None:
        """Let the requests that are on their way come to their end."""
        self._workers.abort(ConnectorError("The run failed."))
        self._close()

    def _close(self) -> None:
        self.client.close()
        self.seen.close()
        self.last_values.close()

    def _warn_of_updates(self) -> None:
        self.logger.warning(
            "A user's properties change more than %d times within an hour: Amplitude drops further changes without a "
            "word. Send fewer flags, or load as 'exposure'.",
            UPDATES_PER_HOUR,
        )

    @classmethod
    def invoke(  # type: ignore[override]
        cls,
        *,
        send_test_event: bool = False,
        about: bool = False,
        about_format: str | None = None,
        config: ConfigInput | None = None,
        file_input: IO[str] | None = None,
    ) -> None:
        """Run the target from the command line, or send one test event."""
        if not send_test_event or about:
            super().invoke(about=about, about_format=about_format, config=config, file_input=file_input)
            return
        config = config or ConfigInput()
        target = cls(config=config.config, validate_config=True, parse_env_config=config.parse_env)
        click.echo(send_marked_event(target.client, target.routes.events))

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Return the command line, with `--send-test-event`."""
        command = super().get_singer_command()
        words = "Send one marked event with the given settings, say what Amplitude answers, and end."
        command.params.append(click.Option(["--send-test-event"], is_flag=True, help=words))
        return command

    def check_settings(self) -> list[str]:
        """Return what is wrong with settings beyond their JSON types, in sentences."""
        config = self.config
        problems = [] if config["api_key"].strip() else ["Setting 'api_key' is empty."]
        if config.get("api_url"):
            problems += url_problems("api_url", config["api_url"], HOSTS["us"])
        for name, least in (("min_id_length", 1), ("max_parallel_requests", 1), ("retry_timeout_seconds", 0)):
            if config[name] < least:
                problems.append(f"Setting '{name}' must be at least {least}.")
        problems += check_identity(config["identity"])
        checks: list[tuple[str, Callable[[Any], Any], Any]] = [
            ("event_type", check_event_type, config["event_type"]),
            ("user_id", source_paths, config.get("user_id")),
            ("device_id", source_paths, config.get("device_id")),
            ("experiment_key", field_or_literal, config.get("experiment_key")),
            *((f"mappings.{glob}", check_mapping, mapping) for glob, mapping in config["mappings"].items()),
        ]
        for name, check, value in checks:
            try:
                if value is not None:
                    check(value)
            except MappingError as error:
                problems.append(f"Setting '{name}': {error}")
        return problems
