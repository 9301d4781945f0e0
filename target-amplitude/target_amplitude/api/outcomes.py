"""What becomes of a record that is not sent."""

from __future__ import annotations


class Rejected(Exception):  # noqa: N818  # an outcome of a record, not a failure of the run
    """The record can never be delivered. The message gives the reason, without any of the record's values."""


class Skipped(Exception):  # noqa: N818  # an outcome of a record, not a failure of the run
    """The record is left out on purpose. The message gives the reason."""
