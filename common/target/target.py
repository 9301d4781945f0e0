"""Base of the targets: the message loop, STATE, signals and the closing summary."""

from __future__ import annotations

import abc
import copy
import json
import sys
from collections import Counter
from typing import IO, Any, cast

from singer_sdk.exceptions import MappingError as StreamMapError
from singer_sdk.helpers.capabilities import (
    TARGET_VALIDATE_RECORDS_CONFIG,
    CapabilitiesEnum,
    PluginCapabilities,
    TargetCapabilities,
)
from singer_sdk.mapper import RemoveRecordTransform, SameRecordTransform, StreamMap
from singer_sdk.target_base import Target

from ..cli import PlainMessages
from ..errors import ConnectorError
from ..sdk_private import ConfigInput
from ..summary import Summary
from .checkpoints import Checkpoints
from .decoding import UNREADABLE, batch_lines, decode, decode_line
from .delivery import BatchLine, MessageLine
from .messages import Message, batch_of, record_of, schema_of, state_of, version_of
from .reader import MessageReader, blocks
from .rejects import Rejects
from .services import Services, Stream
from .sink import StreamingSink, TestStreamSink
from .streams import InputStream
from .validation import RustValidator

# The stream that `meltano config test` sends.
TEST_STREAM = "meltano_test_stream"

# How many lines of a batch file go by before `tick` runs.
LINES_PER_TICK = 1_000


class StreamingTarget(PlainMessages, Target, metaclass=abc.ABCMeta):
    """Base of the targets.

    Subclasses make the sinks and send what those make of records. Whoever takes a record begins a hold in
    `services.checkpoints` before its sink returns, and ends it once the record is delivered or rejected.
    """

    capabilities: list[CapabilitiesEnum] = [  # type: ignore[misc]  # noqa: RUF012
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
        TargetCapabilities.VALIDATE_RECORDS,
    ]

    message_reader_class = MessageReader

    def __init__(self, **options: Any) -> None:
        """Set up what all sinks share."""
        super().__init__(**options)
        cast(MessageReader, self.message_reader).process_input = self._process_input
        self.summary = Summary(self.logger, self.metrics_logger)
        self.rejects = Rejects(self.config.get("rejects_path"), self.config["max_rejects"], self.summary)
        self.services = Services(
            summary=self.summary,
            rejects=self.rejects,
            checkpoints=Checkpoints(self._emit_state),
            stopping=self.stopping,
            logger=self.logger,
        )
        self._records_read = 0
        self._streams: dict[str, InputStream] = {}
        self._sinks: dict[str, StreamingSink] = {}

    @abc.abstractmethod
    def make_sink(self, stream: Stream) -> StreamingSink:
        """Return a new sink for a stream.

        Raises:
            ConnectorError: The stream cannot be loaded; the message names the setting.
        """

    @abc.abstractmethod
    def flush_old(self) -> None:
        """Send what has waited long enough. Called about twice a second; must be cheap."""

    @abc.abstractmethod
    def deliver_all(self) -> None:
        """Send everything and wait until it is delivered; raises when that fails."""

    def give_up(self) -> None:
        """End what is on its way after a failure; nothing more is sent. `stopping` is set."""

    @property
    def stream_names(self) -> list[str]:
        """Names of the streams that came, after stream maps."""
        return list(self._sinks)

    def tick(self) -> None:
        """Do what is due now and then."""
        self._count_read()
        self.flush_old()

    # Messages

    def _process_input(self, source: IO[Any]) -> Counter[str]:
        """Process all messages, or those before the stop signal; return how many of each type were processed.

        Raises:
            ConnectorError: A message is malformed, or something cannot be delivered.
        """
        counts: Counter[str] = Counter()
        processors = {
            "RECORD": self._process_record,
            "SCHEMA": self._process_schema,
            "STATE": self._process_state,
            "BATCH": self._process_batch,
            "ACTIVATE_VERSION": self._process_activate_version,
        }
        number = 0
        for block in blocks(source, self.stopping, self.tick):
            for position, line in enumerate(block.split(b"\n")):
                if self.stopping.is_set():
                    break
                number += 1
                if not line or line.isspace():
                    continue
                message = read_message(line, number)
                process = processors.get(message["type"])
                if process is None:
                    raise ConnectorError(f"Line {number} of the input is not a Singer message: its 'type' is unknown.")
                process(message, MessageLine(block, position))
                counts[message["type"]] += 1
            number -= block.endswith(b"\n")  # nothing stands behind the last line feed
        return counts

    def process_endofpipe(self) -> None:
        """Deliver what is left; STATE follows."""
        self._count_read()
        self.deliver_all()

    def _process_record(self, message: Message, origin: MessageLine) -> None:
        name, record = record_of(message)
        self._records_read += 1
        self._stream(name, "RECORD").take(record, origin)

    def _process_schema(self, message: Message, _: MessageLine) -> None:
        self._set_up(schema_of(message))

    def _process_state(self, message: Message, _: MessageLine) -> None:
        self.services.checkpoints.state(state_of(message))

    def _process_activate_version(self, message: Message, _: MessageLine) -> None:
        name, version = version_of(message)
        self._stream(name, "ACTIVATE_VERSION").activate_version(version)

    def _process_batch(self, message: Message, _: MessageLine) -> None:
        files = batch_of(message)
        stream = self._stream(files.stream, "BATCH")
        for url in files.urls:
            if not stream.take_file(url):
                self._read_batch_file(stream, url)
            self.tick()

    def _read_batch_file(self, stream: InputStream, url: str) -> None:
        for number, line in enumerate(batch_lines(stream.name, url), start=1):
            if self.stopping.is_set():
                return
            if not line.isspace():
                self._records_read += 1
                stream.take_batch_line(line, BatchLine(stream.name, url, number))
            if number % LINES_PER_TICK == 0:
                self.tick()

    # Streams

    def _stream(self, name: str, message_type: str) -> InputStream:
        try:
            return self._streams[name]
        except KeyError:
            raise ConnectorError(f"Stream '{name}': {message_type} came before SCHEMA. Fix the tap.") from None

    def _set_up(self, stream: Stream) -> None:
        try:
            # The mapper changes the schema that it is given.
            self.mapper.register_raw_stream_schema(stream.name, copy.deepcopy(stream.schema), stream.key_properties)
        except StreamMapError as error:
            raise ConnectorError(f"Setting 'stream_maps', stream '{stream.name}': {error}") from None
        branches = [(one, self._sink_of(one, stream)) for one in self.mapper.stream_maps[stream.name]]
        direct = branches[0][1] if len(branches) == 1 and is_unchanged(branches[0][0]) else None
        validator = validator_of(stream) if self.config.get("validate_records", True) else None
        self._streams[stream.name] = InputStream(stream.name, validator, branches, direct, self.services)

    def _sink_of(self, stream_map: StreamMap, source: Stream) -> StreamingSink | None:
        """Return the sink of a stream map: the one at hand while the schema stays the same."""
        if isinstance(stream_map, RemoveRecordTransform):
            return None
        keys = list(stream_map.transformed_key_properties or [])
        stream = Stream(
            stream_map.stream_alias,
            stream_map.transformed_schema,
            keys,
            is_mapped=not is_unchanged(stream_map),
            is_incremental=source.is_incremental,
        )
        sink = self._sinks.get(stream.name)
        if sink is None or sink.stream != stream:
            sink = TestStreamSink(stream, self.services) if stream.name == TEST_STREAM else self.make_sink(stream)
            self._sinks[stream.name] = sink
        return sink

    # STATE and the end

    def _emit_state(self, state: dict[str, Any]) -> None:
        if not self.config.get("dry_run"):
            sys.stdout.write(json.dumps(state) + "\n")  # ASCII, whatever the terminal's encoding
            sys.stdout.flush()

    def _count_read(self) -> None:
        self.summary.add("records_read", self._records_read)
        self._records_read = 0

    @classmethod
    def invoke(  # type: ignore[override]
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: ConfigInput | None = None,
        file_input: IO[str] | None = None,
    ) -> None:
        """Run the target from the command line; the closing summary follows also after a failure."""
        super(Target, cls).invoke(about=about, about_format=about_format)
        config = config or ConfigInput()
        target = cls(config=config.config, validate_config=True, parse_env_config=config.parse_env)
        target.summary.start()
        try:
            target.listen(file_input)
        except BaseException:
            target.stopping.set()
            target.give_up()
            target.summary.close(failed=True)
            raise
        target.summary.close(failed=target.stop_signal is not None)
        if target.stop_signal is not None:
            sys.exit(target.exit_code)

    @classmethod
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Add the SDK's settings that mean something here: stream maps, flattening and validation."""
        properties = config_jsonschema["properties"]
        for name, setting in TARGET_VALIDATE_RECORDS_CONFIG["properties"].items():
            properties.setdefault(name, setting)
        super(Target, cls).append_builtin_config(config_jsonschema)


def read_message(line: bytes, number: int) -> Message:
    """Decode a message.

    Raises:
        ConnectorError: It is not valid, or has no type.
    """
    try:
        message = decode(line)
        message["type"]
    except (*UNREADABLE, KeyError, TypeError):  # rare, so that looking closer may take long
        message = decode_line(line, number)
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise ConnectorError(f"Line {number} of the input is not a Singer message: its 'type' is unknown.")
    return message


def is_unchanged(stream_map: StreamMap) -> bool:
    """Whether a stream map leaves records as they are."""
    return isinstance(stream_map, SameRecordTransform) and not stream_map.flattening_enabled


def validator_of(stream: Stream) -> RustValidator:
    """Return what checks a stream's records.

    Raises:
        ConnectorError: Its schema is not valid.
    """
    try:
        return RustValidator(stream.schema, stream.key_properties)
    except ValueError:
        raise ConnectorError(
            f"Stream '{stream.name}': its schema is not a valid JSON Schema. Fix the tap, or its catalog."
        ) from None
