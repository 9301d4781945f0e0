"""Base of the targets: the message loop, STATE, signals and the closing summary."""

from __future__ import annotations

import abc
import fnmatch
import json
import sys
from collections import Counter
from collections.abc import Collection
from typing import IO, Any, cast

import click
from singer_sdk.helpers.capabilities import (
    TARGET_VALIDATE_RECORDS_CONFIG,
    CapabilitiesEnum,
    PluginCapabilities,
    TargetCapabilities,
)
from singer_sdk.target_base import Target

from ..cli import PlainMessages
from ..errors import ConnectorError, hint
from ..sdk_private import ConfigInput
from ..stdout import BlockedError, write_stdout
from ..stream_maps import unmatched
from ..summary import Summary
from ..words import counted
from .checkpoints import Checkpoints
from .message_loop import MessageLoop
from .outcome import accepted, check_accepted
from .processors import Processors
from .reader import MessageReader, blocks
from .rejects import REJECT_SETTINGS, Rejects
from .rejects_file import RejectsFile
from .replay import Replay, send_again
from .services import Proof, Services, Stream
from .sink import TEST_STREAM, StreamingSink, TestStreamSink
from .streams import Streams


class StreamingTarget(PlainMessages, Target, metaclass=abc.ABCMeta):
    """Base of the targets.

    Subclasses make the sinks and send what those make of records. Whoever takes a record begins a hold in
    `services.checkpoints` before its sink returns, and ends it once the record is delivered or rejected.
    """

    capabilities: list[CapabilitiesEnum] = [  # type: ignore[misc]  # noqa: RUF012  # as the SDK declares it
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
        TargetCapabilities.VALIDATE_RECORDS,
    ]

    message_reader_class = MessageReader
    # Reasons to skip records of which a run must not consist: a column that settings name is empty.
    unintended_skips: Collection[str] = frozenset({"no key"})

    def __init__(self, **options: Any) -> None:
        """Set up what all sinks share."""
        super().__init__(**options)
        cast(MessageReader, self.message_reader).process_input = self._process_input
        self.summary = Summary(self.logger, self.metrics_logger)
        self.rejects_file = RejectsFile(self.config.get("rejects_path") or f"{self.name}-rejects.jsonl", self.name)
        self.rejects = self._make_rejects()
        checkpoints = Checkpoints(self._emit_state)
        self.services = Services(
            summary=self.summary,
            rejects=self.rejects,
            checkpoints=checkpoints,
            proof=Proof(checkpoints, self.unintended_skips),
            stopping=self.stopping,
            logger=self.logger,
        )
        self._records_counted: Counter[str] = Counter()
        self._replay: Replay | None = None
        self._streams = Streams(
            self.mapper, self.services, self._new_sink, validate=self.config.get("validate_records", True)
        )

    def _make_rejects(self) -> Rejects:
        """Return what keeps rejects. A run that sends nothing only counts them: there is nothing to replay."""
        config = self.config
        if not self._sends_nothing:
            self.rejects_file.check()
        writer = None if self._sends_nothing else self.rejects_file
        return Rejects(
            writer,
            self.summary,
            config["max_rejects"],
            config["max_reject_share"],
            lambda: sum(self._streams.records_read.values()),
        )

    @property
    def _sends_nothing(self) -> bool:
        return bool(self.config.get("dry_run") or self.config.get("audit_path"))

    def _new_sink(self, stream: Stream) -> StreamingSink:
        if stream.name != TEST_STREAM:
            return self.make_sink(stream)
        if not self.config.get("dry_run"):
            for line in self.check():
                self.logger.info("%s", line)
        return TestStreamSink(stream, self.services)

    @abc.abstractmethod
    def make_sink(self, stream: Stream) -> StreamingSink:
        """Return a new sink for a stream.

        Raises:
            ConnectorError: The stream cannot be loaded; the message names the setting.
        """

    def note_schema(self, stream: Stream) -> None:
        """Hear of a stream as the tap describes it, before stream maps."""
        self.rejects_file.add_stream(stream)

    @abc.abstractmethod
    def flush_old(self) -> None:
        """Send what has waited long enough. Called about twice a second; must be cheap."""

    @abc.abstractmethod
    def deliver_all(self) -> None:
        """Send everything and wait until it is delivered; raises when that fails."""

    def give_up(self) -> None:
        """End what is on its way after a failure; nothing more is sent. `stopping` is set."""

    def tick(self) -> None:
        """Do what is due now and then."""
        self._count_read()
        self.flush_old()
        if self.services.proof.is_wanted and accepted(self.summary.counts()):
            self.services.proof.give()

    # Messages

    def _process_input(self, source: IO[Any]) -> Counter[str]:
        """Process all messages, or those before the stop signal; return how many of each type were processed.

        Raises:
            ConnectorError: A message is malformed, or something cannot be delivered.
        """
        processors = Processors(self._streams, self.services, self.note_schema, self.tick)
        loop = MessageLoop(self._streams, processors.by_type(), self.stopping)
        return loop.run(blocks(source, self.stopping, self.tick))

    def process_endofpipe(self) -> None:
        """Deliver what is left; STATE follows.

        Raises:
            ConnectorError: Something cannot be delivered, nothing was accepted, or too much was rejected.
        """
        self._count_read()
        self.deliver_all()
        if self.stopping.is_set():
            return
        if self._replay is None:
            self._warn_of_unused_settings()
        self.rejects.check_limits()
        warning = check_accepted(self.summary.counts(), self.unintended_skips)
        if warning:
            self.summary.note(warning)
        self.services.proof.give()

    def _warn_of_unused_settings(self) -> None:
        """Warn of mappings and stream maps for streams that did not come: a typing error in a name hides nothing."""
        names = self._streams.sink_names
        for glob in self.config.get("mappings") or {}:
            if not any(fnmatch.fnmatchcase(name, glob) for name in names):
                self.logger.warning("Setting 'mappings.%s' matches no stream of this run.%s", glob, hint(glob, names))
        for warning in unmatched(self.config.get("stream_maps"), self._streams.names):
            self.logger.warning("%s", warning)

    # Replay

    def replay(self, path: str) -> None:
        """Send the rejects of a file again; what is delivered leaves the file.

        Raises:
            ConnectorError: The file cannot be replayed, or something cannot be delivered.
        """
        if self.config.get("audit_path"):
            raise ConnectorError(
                "--replay sends records, but with 'audit_path' nothing is sent. Remove 'audit_path' and run again."
            )
        self._replay = replay = Replay(path, self.name)
        self.rejects.replace_writer(replay)
        send_again(replay, self._streams, self.services, self.tick)
        for number in replay.unreadable:
            self.logger.warning("--replay: line %d of %s is not a reject. It stays in the file.", number, path)
        self.process_endofpipe()
        replay.close()

    # STATE and the end

    def _emit_state(self, state: Any) -> None:
        if self.config.get("dry_run"):
            return
        if self._replay is not None:
            self._replay.done(state)
            return
        line = json.dumps(state) + "\n"  # ASCII, whatever the terminal's encoding
        try:
            write_stdout(line.encode(), self.stopping.is_set)
        except BlockedError:
            self.logger.warning("STATE was not written: the program that reads it takes nothing, and the run ends.")

    def note_rejects(self) -> None:
        """Let the closing summary say where rejected records are, for STATE has passed them."""
        if self.rejects.count and self._replay is not None:
            again = counted(
                self.rejects.count, "record was rejected again and stays", "records were rejected again and stay"
            )
            self.summary.note(f"{again} in {self._replay.path}.")
        elif self.rejects.count and not self._sends_nothing:
            kept = counted(self.rejects.count, "rejected record is", "rejected records are")
            path = self.rejects_file.path
            self.summary.note(f"{kept} kept in {path}. Fix the cause, then send them again with --replay.")

    def _count_read(self) -> None:
        read = self._streams.records_read.copy()
        for stream, count in (read - self._records_counted).items():
            self.summary.add("records_read", count, stream=stream)
        self._records_counted = read

    @classmethod
    def invoke(  # type: ignore[override]  # the SDK calls it with these
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: ConfigInput | None = None,
        file_input: IO[str] | None = None,
        replay: str | None = None,
    ) -> None:
        """Run the target from the command line; the closing summary follows also after a failure."""
        super(Target, cls).invoke(about=about, about_format=about_format)
        config = config or ConfigInput()
        target = cls(config=config.config, validate_config=True, parse_env_config=config.parse_env)
        target.summary.start()
        try:
            if replay:
                target.replay(replay)
            else:
                target.listen(file_input)
        except BaseException:
            target.stopping.set()
            target.give_up()
            target.note_rejects()
            target.summary.close(failed=True)
            raise
        target.note_rejects()
        target.summary.close(failed=target.stop_signal is not None)
        if target.stop_signal is not None:
            sys.exit(target.exit_code)

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Return the command line, with `--replay`."""
        command = super().get_singer_command()
        words = "Send the records of a rejects file again; delivered ones leave the file."
        command.params.append(click.Option(["--replay"], metavar="FILE", help=words))
        return command

    @classmethod
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Add the settings of rejects, and the SDK's that mean something here: stream maps, flattening, validation."""
        properties = config_jsonschema["properties"]
        for name, setting in (TARGET_VALIDATE_RECORDS_CONFIG["properties"] | REJECT_SETTINGS).items():
            properties.setdefault(name, setting)
        super(Target, cls).append_builtin_config(config_jsonschema)
