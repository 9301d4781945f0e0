"""A Singer target that streams: bytes in, records to sinks, STATE out as soon as delivery allows it.

The SDK's own loop buffers records by stream and emits STATE after at most five minutes; here the packing into
requests belongs to the target, and `Checkpoints` says when a STATE may go out.

The same file stands in both targets (they share no library); a test holds the copies equal.
"""

from __future__ import annotations

import abc
import copy
import gzip
import json
import os
import select
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import IO, Any, BinaryIO, cast

import jsonschema_rs
import msgspec
from singer_sdk.helpers._batch import BaseBatchFileEncoding, BatchFileFormat, StorageTarget
from singer_sdk.helpers.capabilities import (
    TARGET_VALIDATE_RECORDS_CONFIG,
    CapabilitiesEnum,
    PluginCapabilities,
    TargetCapabilities,
)
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.plugin_base import _ConfigInput
from singer_sdk.singerlib.encoding.base import GenericSingerReader
from singer_sdk.sinks import Sink
from singer_sdk.sinks.core import BaseJSONSchemaValidator
from singer_sdk.target_base import Target

from .command import ConnectorError, PlainMessages
from .delivery import Checkpoints
from .rejects import Rejects
from .summary import Summary

# How long the input may be silent before `tick` runs, in seconds.
IDLE_SECONDS = 0.5
READ_BYTES = 1 << 20

# The stream that `meltano config test` sends.
TEST_STREAM = "meltano_test_stream"

decode = msgspec.json.Decoder().decode


class LineReader(GenericSingerReader[bytes]):
    """Reads Singer messages as bytes, so that nothing is decoded twice, and never blocks for long.

    Attributes:
        tick: Called after each piece of input, and when there is none for `IDLE_SECONDS`.
        stopping: Set to stop reading; an incomplete last line is then left out.
    """

    tick: Callable[[], None]
    stopping: threading.Event

    @property
    def default_input(self) -> IO[bytes]:
        """Standard input, as bytes."""
        return sys.stdin.buffer

    def process_lines(
        self, file_input: IO[Any] | None, callbacks: Mapping[str, Callable[[dict[str, Any]], None]]
    ) -> Counter[str]:
        """Hand each message to its callback; return how many of each type came."""
        counts: Counter[str] = Counter()
        for number, line in enumerate(self._lines(file_input or self.default_input), start=1):
            if not line or line.isspace():
                continue
            message = decode_line(line, number)
            kind = str(message.get("type"))
            callback = callbacks.get(kind)
            if callback is None:
                raise ConnectorError(f"Line {number} of the input is not a Singer message: its 'type' is unknown.")
            callback(message)
            counts[kind] += 1
        return counts

    def deserialize_json(self, line: bytes) -> dict[str, Any]:
        """Decode one message."""
        return decode_line(line, 0)

    def _lines(self, source: IO[Any]) -> Iterator[bytes]:
        try:
            descriptor = source.fileno()
        except (OSError, AttributeError):  # a text in memory
            yield from (line.encode() if isinstance(line, str) else line for line in source)
            return
        pieces: list[bytes] = []  # of a line that is not complete yet
        while not self.stopping.is_set():
            if select.select([descriptor], [], [], IDLE_SECONDS)[0]:
                chunk = os.read(descriptor, READ_BYTES)
                if not chunk:
                    break
                first, newline, others = chunk.partition(b"\n")
                pieces.append(first)
                if newline:
                    yield b"".join(pieces)
                    *whole, last = others.split(b"\n")
                    yield from whole
                    pieces = [last]
            self.tick()
        else:
            return
        yield b"".join(pieces)


def decode_line(line: bytes, number: int) -> dict[str, Any]:
    """Decode one line of input.

    Raises:
        ConnectorError: It is no JSON object. The message holds the line's number, not its content.
    """
    try:
        message = decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # NaN, Infinity and lone surrogates are beyond JSON, yet Python's writer, and so many a tap, produces them.
        try:
            message = json.loads(line)
        except ValueError:
            raise ConnectorError(
                f"Line {number} of the input is not valid JSON. Is the tap's output complete?"
            ) from None
    if not isinstance(message, dict):
        raise ConnectorError(f"Line {number} of the input is not a Singer message.")
    return message


class RustValidator(BaseJSONSchemaValidator):
    """Validates records with the `jsonschema-rs` library; says what is wrong without saying the value."""

    def __init__(self, schema: dict[str, Any]) -> None:
        """Compile a schema.

        Raises:
            ConnectorError: It is no JSON Schema.
        """
        super().__init__(schema)
        try:
            self._validator = jsonschema_rs.validator_for(schema)
        except (ValueError, jsonschema_rs.ValidationError):
            raise ConnectorError("A SCHEMA message holds no valid JSON Schema. Mend the tap, or its catalog.") from None
        self.is_valid = self._validator.is_valid

    def validate(self, record: dict[str, Any]) -> None:
        """Raise nothing: `problem` tells what is wrong."""

    def problem(self, record: dict[str, Any]) -> str:
        """Return which rule of the schema a record breaks, and where."""
        error = next(iter(self._validator.iter_errors(record)))
        where = ".".join(str(part) for part in error.instance_path) or "the record"
        return f"schema: {where} breaks '{error.schema_path[-1]}'"


class StreamingSink(Sink):
    """A sink that is given valid records one by one. Subclasses implement `process_record`."""

    target: StreamingTarget

    def __init__(self, target: StreamingTarget, *args: Any, **kwargs: Any) -> None:
        """Note the target, which owns what sinks share."""
        self.target = target
        super().__init__(target, *args, **kwargs)

    def get_validator(self) -> RustValidator | None:
        """Return a fast validator, or none when `validate_records` is false."""
        return RustValidator(self.schema) if self.validate_schema else None

    def take(self, record: dict[str, Any]) -> None:
        """Check a record and hand it to `process_record`; one that breaks its schema is rejected."""
        validator = cast("RustValidator | None", self._validator)
        if validator is not None and not is_valid(validator, record):
            self.reject(validator.problem(record), record)
        elif any(key not in record for key in self._key_properties):
            self.reject("a key property is missing", record)
        else:
            self.process_record(record, {})

    def reject(self, reason: str, record: Any, status: int | None = None) -> None:
        """Keep a record that can never be delivered, and count it."""
        self.target.reject(self.stream_name, reason, record, status)

    def process_batch(self, context: dict[str, Any]) -> None:
        """Nothing gathers in a sink: requests are packed by the target."""

    def activate_version(self, new_version: int) -> None:
        """Ignore versions: what is sent to an HTTP API cannot be replaced."""


def is_valid(validator: RustValidator, record: dict[str, Any]) -> bool:
    """Whether a record fits its schema. A text that is no Unicode counts as fitting: sinks mend texts."""
    try:
        return bool(validator.is_valid(record))
    except (ValueError, UnicodeError):
        return True


class TestStreamSink(StreamingSink):
    """Takes what `meltano config test` sends, and does nothing with it."""

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Do nothing: the settings were checked when the target started."""


class StreamingTarget(PlainMessages, Target, metaclass=abc.ABCMeta):
    """Base of the target: reading, STATE, rejects, signals, the closing summary.

    Subclasses pack records into requests; each record taken belongs to a `Work` begun with `checkpoints.begin()`
    before its sink returns, and finished once it is delivered or rejected.
    """

    capabilities: list[CapabilitiesEnum] = [  # type: ignore[misc]  # noqa: RUF012
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
        TargetCapabilities.VALIDATE_RECORDS,
    ]
    message_reader_class = LineReader

    def __init__(self, **options: Any) -> None:
        """Set up what all sinks share."""
        self.stopping = threading.Event()
        self.stop_signal: int | None = None
        super().__init__(**options)
        reader = cast(LineReader, self.message_reader)
        reader.tick, reader.stopping = self.tick, self.stopping
        self.summary = Summary(self.logger, self.metrics_logger)
        self.rejects = Rejects(self.config.get("rejects_path"), self.config["max_rejects"], self.logger)
        self.checkpoints = Checkpoints(self._emit_state)
        self._records_read = 0
        self._direct: dict[str, StreamingSink] = {}  # sinks of streams that no stream map changes

    @abc.abstractmethod
    def flush_old(self) -> None:
        """Send what has waited long enough. Called about twice a second; must be cheap."""

    @abc.abstractmethod
    def deliver_all(self) -> None:
        """Send everything and wait until it is delivered; raises when that fails."""

    def reject(self, stream: str, reason: str, record: Any, status: int | None = None) -> None:
        """Keep a record that can never be delivered, and count it. Thread-safe.

        Raises:
            ConnectorError: There are more than `max_rejects`.
        """
        self.summary.add("records_rejected", 1, reason)
        self.rejects.write(stream, reason, record, status)

    def tick(self) -> None:
        """Do what is due now and then."""
        self._count_read()
        self.flush_old()
        self.summary.progress()

    def get_sink_class(self, stream_name: str) -> type[Sink]:
        """Return the sink of a stream; what `meltano config test` sends goes nowhere."""
        return TestStreamSink if stream_name == TEST_STREAM else super().get_sink_class(stream_name)

    # Messages

    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        try:
            stream, record = message_dict["stream"], message_dict["record"]
        except KeyError as error:
            raise ConnectorError(f"A RECORD message has no {error}. Mend the tap.") from None
        self._records_read += 1
        sink = self._direct.get(stream)
        if sink is not None:
            sink.take(record)
            return
        if stream not in self.mapper.stream_maps:
            raise ConnectorError(f"Stream '{stream}': a RECORD came before its SCHEMA. Mend the tap.")
        for stream_map in self.mapper.stream_maps[stream]:
            mapped = stream_map.transform(copy.copy(record))
            if mapped is None:
                self.summary.add("records_skipped", 1, "stream map")
            else:
                cast(StreamingSink, self.get_sink(stream_map.stream_alias)).take(mapped)

    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        stream, schema = message_dict.get("stream"), message_dict.get("schema")
        if not isinstance(stream, str) or not isinstance(schema, dict):
            raise ConnectorError("A SCHEMA message has no 'stream' or no 'schema'. Mend the tap.")
        schema.setdefault("properties", {})
        super()._process_schema_message(message_dict)
        maps = self.mapper.stream_maps[stream]
        self._direct.pop(stream, None)
        if len(maps) == 1 and isinstance(maps[0], SameRecordTransform) and not maps[0].flattening_enabled:
            self._direct[stream] = cast(StreamingSink, self.get_sink(maps[0].stream_alias))

    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        if "value" not in message_dict:
            raise ConnectorError("A STATE message has no 'value'. Mend the tap.")
        self.checkpoints.state(message_dict["value"])

    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        for stream_map in self.mapper.stream_maps.get(message_dict.get("stream", ""), ()):
            if self.sink_exists(stream_map.stream_alias):
                self.get_sink(stream_map.stream_alias).activate_version(message_dict["version"])

    def _process_batch_message(self, message_dict: dict[str, Any]) -> None:
        stream = message_dict["stream"]
        encoding = BaseBatchFileEncoding.from_dict(message_dict["encoding"])
        if encoding.format != BatchFileFormat.JSONL:
            raise ConnectorError(
                f"Stream '{stream}': batch files of format '{encoding.format}' are not read, only jsonl."
            )
        for path in message_dict["manifest"]:
            for record in batch_records(stream, path, compressed=encoding.compression == "gzip"):
                self._process_record_message({"stream": stream, "record": record})
            self.tick()

    # The end

    def process_endofpipe(self) -> None:
        """Deliver what is left; STATE follows."""
        self._count_read()
        self.deliver_all()

    def _emit_state(self, state: dict[str, Any]) -> None:
        if not self.config.get("dry_run"):
            sys.stdout.write(msgspec.json.encode(state, enc_hook=str).decode() + "\n")
            sys.stdout.flush()

    def _count_read(self) -> None:
        self.summary.add("records_read", self._records_read)
        self._records_read = 0

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Stop reading; what was taken is delivered and STATE written. A second signal ends at once."""
        self.stop_signal = signum
        self.stopping.set()
        signal.signal(signum, signal.SIG_DFL)

    @classmethod
    def invoke(  # type: ignore[override]
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: _ConfigInput | None = None,
        file_input: IO[str] | None = None,
    ) -> None:
        """Run the target from the command line; the closing summary follows also after a failure."""
        super(Target, cls).invoke(about=about, about_format=about_format)
        config = config or _ConfigInput()
        target = cls(config=config.config, validate_config=True, parse_env_config=config.parse_env)
        try:
            target.listen(file_input)
        except BaseException:
            target.stopping.set()
            target.summary.close(failed=True)
            raise
        target.summary.close(failed=target.stop_signal is not None)
        if target.stop_signal is not None:
            sys.exit(128 + target.stop_signal)

    @classmethod
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Add the SDK's settings that mean something here: stream maps, flattening and validation."""
        properties = config_jsonschema["properties"]
        for name, setting in TARGET_VALIDATE_RECORDS_CONFIG["properties"].items():
            properties.setdefault(name, setting)
        super(Target, cls).append_builtin_config(config_jsonschema)


def batch_records(stream: str, url: str, *, compressed: bool) -> Iterator[dict[str, Any]]:
    """Yield the records of one JSON-lines batch file.

    Raises:
        ConnectorError: The file cannot be read, or a line of it is no JSON object.
    """
    folder, name = StorageTarget.split_url(url)
    try:
        with StorageTarget.from_url(folder).open(name, mode="rb") as file:
            lines = cast(BinaryIO, gzip.GzipFile(fileobj=file) if compressed else file)
            for number, line in enumerate(lines, start=1):
                yield decode_line(line, number)
    except (OSError, EOFError) as error:
        raise ConnectorError(f"Stream '{stream}': a batch file cannot be read ({type(error).__name__}).") from error
