"""The target: its settings, and how its parts are put together."""

from __future__ import annotations

import fnmatch
import re
import time
from collections.abc import Callable
from functools import partial
from typing import IO, Any
from urllib.parse import urlsplit

import click
from singer_sdk import typing as th
from singer_sdk.plugin_base import _ConfigInput

from .client import Client
from .delivery import Lanes
from .dispatch import Dispatch, Routes
from .dry_run import DryRun
from .errors import ConnectorError, hint
from .impressions import DEFAULT_IDENTITY
from .mapping import WAYS, Loading, check_event_type, check_identity, check_mapping
from .memory import Seen
from .merging import UPDATES_PER_HOUR, LastValues
from .packing import Item
from .paths import MappingError, field_or_literal, source_paths
from .routes import HOSTS, events_route, group_identify_route, identify_route
from .send_test_event import send_marked_event
from .sender import Sender, Shared
from .sinks import AmplitudeSink
from .streaming import StreamingTarget

ANY_SOURCE = th.CustomType({"type": ["string", "array", "null"]})
# Names and addresses, IPv6 with its colons.
HOST = re.compile(r"[\w.:-]+", re.ASCII)
TEXT_OR_FIELD = th.CustomType({"type": ["string", "object", "null"]})


class TargetAmplitude(StreamingTarget):
    """Loads any stream into Amplitude: as events, as exposures of flags, or as user properties."""

    name = "target-amplitude"
    default_sink_class = AmplitudeSink

    config_jsonschema = th.PropertiesList(
        th.Property("api_key", th.StringType, required=True, secret=True, description="API key of the project."),
        th.Property(
            "region",
            th.StringType,
            default="us",
            allowed_values=list(HOSTS),
            description="Where the project's data lives.",
        ),
        th.Property(
            "api_url",
            th.StringType,
            description="Scheme and host to send to instead of Amplitude's own, for example http://127.0.0.1:8010.",
        ),
        th.Property(
            "endpoint",
            th.StringType,
            default="batch",
            allowed_values=["batch", "http"],
            description="Batch Event Upload (20 MB a request) or HTTP V2 (1 MB a request).",
        ),
        th.Property(
            "load_as",
            th.StringType,
            default="event",
            allowed_values=list(WAYS),
            description="What records become: an event each, an exposure of a flag, or properties of their user.",
        ),
        th.Property(
            "event_type",
            th.StringType,
            default="get_treatment",
            description="Type of the events that impressions become.",
        ),
        th.Property(
            "identity",
            th.ObjectType(additional_properties=th.StringType),
            default=DEFAULT_IDENTITY,
            description="Traffic type (or glob) of impressions to user_id or device_id.",
        ),
        th.Property("user_id", ANY_SOURCE, description="Path, or list of paths, of other streams' user id."),
        th.Property("device_id", ANY_SOURCE, description="Path, or list of paths, of other streams' device id."),
        th.Property(
            "min_id_length", th.IntegerType, default=1, description="Fewest characters of an id; shorter are rejected."
        ),
        th.Property(
            "mappings",
            th.ObjectType(additional_properties=th.ObjectType(additional_properties=True)),
            default={},
            description="Stream name or glob to what its records become.",
        ),
        th.Property(
            "property_prefix",
            th.StringType,
            default="",
            description="Stands before a flag's name in the user property that load_as identify sets.",
        ),
        th.Property(
            "experiment_key",
            TEXT_OR_FIELD,
            description='Experiment key of exposures: a text, or {"field": path} to read it from the impression.',
        ),
        th.Property(
            "dedupe",
            th.StringType,
            default="none",
            allowed_values=["none", "hour", "day"],
            description="Send one event for all impressions of a user, flag and treatment within an hour or a day.",
        ),
        th.Property(
            "identify_via",
            th.StringType,
            default="events",
            allowed_values=["api", "events"],
            description="Send user properties through the Identify API, or as $identify events.",
        ),
        th.Property(
            "max_parallel_requests", th.IntegerType, default=4, description="Most requests on their way at once."
        ),
        th.Property(
            "patience_seconds",
            th.IntegerType,
            default=900,
            description="How long to go on trying when Amplitude does not take a request, before the run fails.",
        ),
        th.Property(
            "rejects_path",
            th.StringType,
            description="File that keeps records which can never be delivered, as JSON lines.",
        ),
        th.Property(
            "max_rejects", th.IntegerType, default=1000, description="More rejected records than this fail the run."
        ),
        th.Property(
            "dry_run",
            th.BooleanType,
            default=False,
            description="Map, check and pack everything, send nothing, write no state.",
        ),
    ).to_dict()

    def __init__(self, **options: Any) -> None:
        """Check what no schema can, and start the lanes."""
        super().__init__(**options)
        config = self.config
        self.loading = Loading(**{name: config[name] for name in Loading.__dataclass_fields__ if name in config})
        self.rejects.check()
        self.seen = Seen()
        self.last_values = LastValues(time.monotonic, self._warn_of_updates)
        self.client = Client(
            config.get("api_url") or HOSTS[config["region"]], config["max_parallel_requests"], self.summary
        )
        self._start_lanes()

    def _start_lanes(self) -> None:
        config = self.config
        count = config["max_parallel_requests"]
        shared = Shared(
            client=self.client,
            checkpoints=self.checkpoints,
            summary=self.summary,
            logger=self.logger,
            reject=self.reject,
            patience=config["patience_seconds"],
            stopping=self.stopping,
        )
        dry_run = DryRun(self.checkpoints, self.summary)
        self._senders: list[Sender | DryRun] = [dry_run if config["dry_run"] else Sender(shared) for _ in range(count)]
        self._lanes: Lanes[Callable[[], None]] = Lanes(count, lambda send: send())
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
            checkpoints=self.checkpoints,
            reject=self.reject,
            last=self.last_values,
        )

    def _submit(self, lane: int, items: list[Item] | None) -> None:
        self._lanes.submit(lane, partial(self._senders[lane].deliver, items))

    def flush_old(self) -> None:
        """Hand over what has been open for long, and wake lanes in which something has waited long enough."""
        self._lanes.raise_failure()
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
        self._lanes.wait()
        undelivered = sum(sender.undelivered for sender in self._senders)
        if undelivered:
            raise ConnectorError(
                f"Stopped before {undelivered:,} of what was read could be delivered. Run again to go on."
            )
        self._lanes.close()
        self._close()
        self._note_unused_mappings()

    def _note_unused_mappings(self) -> None:
        for glob in self.loading.mappings:
            if not any(fnmatch.fnmatchcase(stream, glob) for stream in self._sinks_active):
                self.logger.warning(
                    "Setting 'mappings.%s' fits no stream of this run.%s", glob, hint(glob, self._sinks_active)
                )

    def give_up(self) -> None:
        """Let the requests that are on their way come to their end."""
        self._lanes.abort(ConnectorError("The run failed."))
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
        config: _ConfigInput | None = None,
        file_input: IO[str] | None = None,
    ) -> None:
        """Run the target from the command line, or send one test event."""
        if not send_test_event or about:
            super().invoke(about=about, about_format=about_format, config=config, file_input=file_input)
            return
        config = config or _ConfigInput()
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
        if not is_host_alone(config.get("api_url") or HOSTS[config["region"]]):
            problems.append("Setting 'api_url' must be scheme and host alone, for example https://api2.amplitude.com.")
        for name, least in (("min_id_length", 1), ("max_parallel_requests", 1), ("patience_seconds", 0)):
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


def is_host_alone(url: str) -> bool:
    """Whether a URL is a scheme and a host, perhaps with a port, and nothing else."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is no port
    except ValueError:
        return False
    is_bare = not (parts.query or parts.fragment or parts.username or parts.path.strip("/"))
    return is_bare and parts.scheme in ("http", "https") and HOST.fullmatch(parts.hostname or "") is not None
