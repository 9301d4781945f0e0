"""A sink: takes the records of one stream."""

from __future__ import annotations

import abc
from typing import Any

from .columns import Columns
from .delivery import Origin
from .services import Services, Stream

# The stream that `meltano config test` sends.
TEST_STREAM = "meltano_test_stream"


class StreamingSink(abc.ABC):
    """Takes the valid records of one stream, one by one.

    Args:
        stream: What it takes.
        services: What all sinks share.

    Attributes:
        columns: Types of the columns that it needs, so that no others are decoded; None where it needs whole records.
    """

    columns: Columns | None = None

    def __init__(self, stream: Stream, services: Services) -> None:
        self.stream = stream
        self.stream_name = stream.name
        self.schema = stream.schema
        self.key_properties = stream.key_properties
        self.services = services
        self.logger = services.logger.getChild(stream.name)

    @abc.abstractmethod
    def process_record(self, record: dict[str, Any], origin: Origin) -> None:
        """Take a record: every record is sent, rejected or counted as skipped, and holds back STATE until then.

        Args:
            record: A record that keeps its stream's schema, after stream maps.
            origin: Where to find it as the tap sent it.
        """

    def record_dropped(self) -> None:  # noqa: B027  # most sinks have nothing to do
        """Hear that a record of the stream does not come: it breaks the schema, or a stream map filters it out."""

    def activate_version(self, version: int) -> None:  # noqa: B027  # likewise
        """Hear that all records of a version have come. Ignored: what an HTTP API took cannot be replaced."""

    def reject(self, reason: str, record: Any, status: int | None = None, sent: Any = None) -> None:
        """Keep a record that can never be delivered, and count it; see `Rejects.reject`.

        Raises:
            ConnectorError: Too many records were rejected.
        """
        self.services.rejects.reject(self.stream_name, reason, record, status, sent)

    def skip(self, reason: str) -> None:
        """Count a record that is left out on purpose."""
        self.services.skip(reason, self.stream_name)


class TestStreamSink(StreamingSink):
    """Takes what `meltano config test` sends (`TEST_STREAM`), and does nothing with it."""

    def process_record(self, record: dict[str, Any], origin: Origin) -> None:
        """Do nothing: the target has checked its settings and its connection before."""
