"""A Singer target that streams: bytes in, records to sinks, STATE out as soon as delivery allows it.

The SDK's own loop buffers records by stream and emits STATE after at most five minutes; here the packing into
requests belongs to the target, and `Checkpoints` says when a STATE may go out.

The same file stands in both targets (they share no library); a test holds the copies equal.
"""

from __future__ import annotations

import abc
import copy
import json
import signal
import sys
import threading
from types import FrameType
from typing import IO, Any, cast

from singer_sdk.exceptions import MappingError as StreamMapError
from singer_sdk.helpers._batch import BaseBatchFileEncoding, BatchFileFormat
from singer_sdk.helpers.capabilities import (
    TARGET_VALIDATE_RECORDS_CONFIG,
    CapabilitiesEnum,
    PluginCapabilities,
    TargetCapabilities,
)
from singer_sdk.mapper import RemoveRecordTransform, SameRecordTransform
from singer_sdk.plugin_base import _ConfigInput
from singer_sdk.sinks import Sink
from singer_sdk.target_base import Target

from ..cli import PlainMessages
from ..errors import ConnectorError
from .checkpoints import Checkpoints
from .reader import LineReader, batch_lines, decode_line
from .rejects import Rejects
from .summary import Summary
from .validation import RustValidator, is_valid

# The stream that `meltano config test` sends.
TEST_STREAM = "meltano_test_stream"

NO_CONTEXT: dict[str, Any] = {}

# How many lines of a batch file go by before `tick` runs.
LINES_PER_TICK = 1_000


class StreamingSink(Sink):
    """A sink that is given valid records one by one. Subclasses implement `process_record`."""

    target: StreamingTarget

    def __init__(self, target: StreamingTarget, *args: Any, **kwargs: Any) -> None:
        """Note the target, which owns what sinks share."""
        self.target = target
        super().__init__(target, *args, **kwargs)
        self._rules = cast("RustValidator | None", self._validator)

    def get_validator(self) -> RustValidator | None:
        """Return a fast validator, or none when `validate_records` is false."""
        if not self.validate_schema:
            return None
        try:
            return RustValidator(self.schema, self.key_properties)
        except ValueError:
            raise ConnectorError(
                f"Stream '{self.stream_name}': its schema is no valid JSON Schema. Mend the tap, or its catalog."
            ) from None

    def take(self, record: dict[str, Any]) -> None:
        """Check a record and hand it to `process_record`; one that breaks its schema is rejected."""
        rules = self._rules
        if rules is None or is_valid(rules, record):
            self.process_record(record, NO_CONTEXT)
        else:
            self.reject(rules.problem(record), record)

    def take_file(self, url: str, *, packed: bool) -> bool:  # noqa: ARG002
        """Take a whole batch file, if the sink has a better way than line by line; return whether it does."""
        return False

    def take_line(self, line: bytes, number: int) -> None:
        """Take the record of one line of a batch file."""
        self.take(decode_line(line, number))

    def reject(self, reason: str, record: Any, status: int | None = None) -> None:
        """Keep a record that can never be delivered, and count it."""
        self.target.reject(self.stream_name, reason, record, status)

    def process_batch(self, context: dict[str, Any]) -> None:
        """Nothing gathers in a sink: requests are packed by the target."""

    def activate_version(self, new_version: int) -> None:
        """Ignore versions: what is sent to an HTTP API cannot be replaced."""


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

    def give_up(self) -> None:
        """End what is on its way after a failure; nothing more is sent. `stopping` is set."""

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

    def get_sink_class(self, stream_name: str) -> type[Sink]:
        """Return the sink of a stream; what `meltano config test` sends goes nowhere."""
        return TestStreamSink if stream_name == TEST_STREAM else super().get_sink_class(stream_name)

    # Messages

    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        try:
            stream, record = message_dict["stream"], message_dict["record"]
        except KeyError as error:
            raise ConnectorError(f"A RECORD message has no {error}. Mend the tap.") from None
        if not isinstance(record, dict):
            raise ConnectorError(f"Stream '{stream}': the record of a RECORD message is no object. Mend the tap.")
        self._records_read += 1
        sink = self._direct.get(stream)
        if sink is not None:
            sink.take(record)
            return
        if stream not in self.mapper.stream_maps:
            raise ConnectorError(f"Stream '{stream}': a RECORD came before its SCHEMA. Mend the tap.")
        for stream_map in self.mapper.stream_maps[stream]:
            try:
                mapped = stream_map.transform(copy.copy(record))
            except StreamMapError as error:
                raise ConnectorError(f"Setting 'stream_maps', stream '{stream}': {error}") from None
            if mapped is None:
                self.summary.add("records_skipped", 1, "stream map")
            else:
                cast(StreamingSink, self.get_sink(stream_map.stream_alias)).take(mapped)

    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        stream, schema = message_dict.get("stream"), message_dict.get("schema")
        if not isinstance(stream, str) or not isinstance(schema, dict):
            raise ConnectorError("A SCHEMA message has no 'stream' or no 'schema'. Mend the tap.")
        schema.setdefault("properties", {})
        try:
            self.mapper.register_raw_stream_schema(stream, schema, message_dict.get("key_properties"))
        except StreamMapError as error:
            raise ConnectorError(f"Setting 'stream_maps', stream '{stream}': {error}") from None
        maps = self.mapper.stream_maps[stream]
        for one in maps:
            if not isinstance(one, RemoveRecordTransform):  # a stream that is left out needs no sink
                self.get_sink(
                    one.stream_alias, schema=one.transformed_schema, key_properties=one.transformed_key_properties
                )
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
        packed = encoding.compression == "gzip"
        sink = self._direct.get(stream)
        for path in message_dict["manifest"]:
            if sink is not None and sink.take_file(path, packed=packed):
                continue
            lines = batch_lines(stream, path, compressed=packed)
            for number, line in enumerate(lines, start=1):
                self._take_batch_line(stream, line, number)
                if number % LINES_PER_TICK == 0:
                    self.tick()
                    if self.stopping.is_set():
                        return
            self.tick()

    def _take_batch_line(self, stream: str, line: bytes, number: int) -> None:
        sink = self._direct.get(stream)
        if sink is None:
            self._process_record_message({"stream": stream, "record": decode_line(line, number)})
        else:
            self._records_read += 1
            sink.take_line(line, number)

    # The end

    def process_endofpipe(self) -> None:
        """Deliver what is left; STATE follows."""
        self._count_read()
        self.deliver_all()

    def _emit_state(self, state: dict[str, Any]) -> None:
        if not self.config.get("dry_run"):
            sys.stdout.write(json.dumps(state) + "\n")  # ASCII, whatever the terminal's encoding
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
            sys.exit(128 + target.stop_signal)

    @classmethod
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Add the SDK's settings that mean something here: stream maps, flattening and validation."""
        properties = config_jsonschema["properties"]
        for name, setting in TARGET_VALIDATE_RECORDS_CONFIG["properties"].items():
            properties.setdefault(name, setting)
        super(Target, cls).append_builtin_config(config_jsonschema)
