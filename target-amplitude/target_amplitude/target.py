"""The target: settings in, services put together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from target_amplitude.api.client import Client, DryRun, Transport
from target_amplitude.api.endpoints import HOSTS
from target_amplitude.audit.passes import Audit
from target_amplitude.common.audit.target import AuditedTarget
from target_amplitude.common.service_clock import ServiceClock
from target_amplitude.common.target.services import Stream
from target_amplitude.common.target.sink import StreamingSink
from target_amplitude.delivery.connection import check_connection, send_test_event
from target_amplitude.delivery.pipeline import DeliverySettings, Pipeline, routes_of
from target_amplitude.delivery.property_times import SETTING as PROPERTY_TIMES
from target_amplitude.delivery.property_times import PropertyTimes
from target_amplitude.mapping.grammar import LoadSettings
from target_amplitude.settings import SETTINGS, problems_of
from target_amplitude.sinks import AmplitudeSink, identity_note, new_sink


class TargetAmplitude(AuditedTarget):
    """Loads any stream into Amplitude: as events, as exposures of flags, or as user properties."""

    audit: Audit | None

    name = "target-amplitude"
    unintended_skips = frozenset({"no key", "no user or device id", "no group"})

    config_jsonschema = SETTINGS

    def __init__(self, **options: Any) -> None:
        """Check what no schema can, and start the workers."""
        super().__init__(**options)
        self._load_settings = LoadSettings(**self._chosen(LoadSettings))
        self.delivery_settings = DeliverySettings(**self._chosen(DeliverySettings))
        self._loading: list[AmplitudeSink] = []
        self._clock = ServiceClock("Amplitude", self.summary.note)
        self.transport = self._new_transport()
        self.property_times = self._new_property_times()
        self.pipeline = Pipeline(self.delivery_settings, self.services, self.transport, self.property_times)
        path = self.config.get("audit_path")
        route = routes_of(self.delivery_settings).events
        self.audit = Audit(path, self._load_settings, route, self.services) if path else None

    def _chosen(self, settings: type[Any]) -> dict[str, Any]:
        return {name: self.config[name] for name in settings.__dataclass_fields__ if name in self.config}

    def _new_transport(self) -> Transport:
        config = self.config
        url = config.get("api_url") or HOSTS[config["region"]]
        if config["dry_run"]:
            return DryRun(url)
        return Client(url, config["max_parallel_requests"], self.summary, config["compression"], self._clock)

    def _new_property_times(self) -> PropertyTimes | None:
        path = self.config.get(PROPERTY_TIMES)
        if not path or self.config["dry_run"]:
            return None
        return PropertyTimes(path, f"{self.transport.url} {self.delivery_settings.api_key}", self._clock.latest)

    def make_sink(self, stream: Stream) -> StreamingSink:
        """Return the sink of a stream."""
        if self.audit is not None:
            return self.audit.new_sink(stream)
        sink = new_sink(
            stream,
            self.services,
            self._load_settings,
            self.pipeline,
            is_validated=self.config.get("validate_records", True),
        )
        self._loading.append(sink)
        return sink

    def flush_old(self) -> None:
        """Send what has waited long enough."""
        self.pipeline.flush_old()

    def deliver_all(self) -> None:
        """Send everything and wait until it is delivered."""
        self.pipeline.deliver_all()
        if note := identity_note(self._load_settings.identity, self._loading):
            self.logger.warning("%s", note)

    def give_up(self) -> None:
        """Let the requests that are on their way finish; send nothing more."""
        self.pipeline.abort()
        super().give_up()

    def check_settings(self) -> list[str]:
        """Return what is wrong with settings beyond their JSON types, in sentences."""
        return [*super().check_settings(), *problems_of(self.config)]

    def check(self) -> Iterator[str]:
        """Check the API key; yield what can be said about the connection.

        Raises:
            ConnectorError: Amplitude refuses the key, or cannot be reached.
        """
        yield from check_connection(
            self._new_transport(), routes_of(self.delivery_settings).events, self.config, self.summary
        )

    # The command line

    @classmethod
    def cb_send_test_event(cls, ctx: click.Context, param: click.Option, value: bool) -> None:
        """Send one test event, print Amplitude's answer in words, and end."""
        if value:
            target = cls.from_command_line(ctx)
            click.echo(send_test_event(target.transport, routes_of(target.delivery_settings).events))
            ctx.exit()

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Return the command line, with `--send-test-event`."""
        command = super().get_singer_command()
        test_event = click.Option(
            ["--send-test-event"],
            is_flag=True,
            callback=cls.cb_send_test_event,
            expose_value=False,
            help="Send one marked event with the given settings, print Amplitude's answer, and end.",
        )
        command.params.append(test_event)
        return command
