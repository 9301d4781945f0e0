"""Cohort changes: from pushed messages and exported lists to one form of message. Pure.

Sources: https://amplitude.com/docs/data/destination-catalog/cohort-webhooks (also for Kinesis and Pub/Sub) and
https://amplitude.com/docs/data/destination-catalog/amazon-s3-cohort.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import chain, islice
from typing import IO, Any

import msgspec

from tap_amplitude.api.cohort_csv import csv_table
from tap_amplitude.common.lenient_json import decoded_values
from tap_amplitude.common.timestamps import epoch_milliseconds
from tap_amplitude.export.lines import decompressed, whole_lines
from tap_amplitude.files.kinds import cohort_file

ADD, REMOVE = "add", "remove"
USERS_PER_MESSAGE = 1000
MAX_WHOLE_BYTES = 1 << 26
IN_COHORT = {True: ADD, False: REMOVE, "true": ADD, "false": REMOVE}
AMPLITUDE_ID, USER_ID = "amplitudeid", "userid"


class InvalidMessageError(ValueError):
    """Something that is not a cohort message. The message is a reason without data."""


class User(msgspec.Struct, gc=False):
    """A user of a message; at least one id is there."""

    user_id: str | None
    amplitude_id: int | None = None
    user_properties: dict[str, Any] | None = None

    @property
    def member_id(self) -> str:
        """What tells users of a message apart."""
        return self.user_id if self.user_id is not None else f"amplitude_id:{self.amplitude_id}"


class Message(msgspec.Struct):
    """A batch of users who entered a cohort or left it.

    Attributes:
        message_id: Equal for a message that is sent again.
        cohort_id: The cohort.
        cohort_name: Its name, where the message has one.
        action: `add` or `remove`.
        computed: When the change was computed, in milliseconds since 1970.
        users: Who.
        without_id: How many users had no id.
    """

    message_id: str
    cohort_id: str
    cohort_name: str | None
    action: str
    computed: int
    users: list[User]
    without_id: int = 0


def message_of(value: Any, received: int) -> Message:
    """Return a pushed message.

    Args:
        value: The decoded body.
        received: When it came, in milliseconds since 1970, for one without a time of its own.

    Raises:
        InvalidMessageError: It is not a cohort message.
    """
    if not isinstance(value, Mapping):
        raise InvalidMessageError("not an object")
    in_cohort, cohort_id = value.get("in_cohort"), value.get("cohort_id")
    if not isinstance(in_cohort, bool | str) or in_cohort not in IN_COHORT:
        raise InvalidMessageError("'in_cohort' is neither true nor false")
    if not isinstance(cohort_id, str | int) or isinstance(cohort_id, bool) or not str(cohort_id).strip():
        raise InvalidMessageError("no 'cohort_id'")
    if not isinstance(given := value.get("users"), list):
        raise InvalidMessageError("no list of 'users'")
    users = [user for user in map(user_of, given) if user]
    message_id, name = value.get("message_id"), value.get("cohort_name")
    if not isinstance(message_id, str) or not message_id.strip():
        message_id = blake2b(msgspec.json.encode(value, order="deterministic"), digest_size=16).hexdigest()
    return Message(
        message_id=message_id,
        cohort_id=str(cohort_id),
        cohort_name=name if isinstance(name, str) else None,
        action=IN_COHORT[in_cohort],
        computed=computed_time(value.get("computed_time", value.get("compute_time")), received),
        users=users,
        without_id=len(given) - len(users),
    )


def computed_time(value: Any, otherwise: int) -> int:
    """Return when a change was computed, in milliseconds since 1970."""
    try:
        return epoch_milliseconds(value)
    except (ValueError, TypeError, OverflowError):
        return otherwise


def user_of(value: Any) -> User | None:
    """Return a user of a message; None without any id."""
    if not isinstance(value, Mapping):
        return None
    user_id, properties = value.get("user_id"), value.get("user_properties")
    if isinstance(user_id, int) and not isinstance(user_id, bool):
        user_id = str(user_id)
    if not isinstance(user_id, str) or not user_id:
        return None
    return User(user_id, None, dict(properties) if isinstance(properties, Mapping) else None)


def values_in(content: IO[bytes]) -> Iterator[Any]:
    """Yield the JSON values of a file: lines, pretty-printed, or behind one another without any separator.

    What is not JSON comes as an `InvalidMessageError` in its place.
    """
    pieces = decompressed(content)
    whole = b""
    for piece in pieces:
        whole += piece
        if len(whole) > MAX_WHOLE_BYTES:
            break
    else:
        try:
            yield from list(decoded_values(whole))
        except ValueError:
            pieces = iter(())
        else:
            return
    for block in whole_lines(chain([whole], pieces)):
        for line in block.split(b"\n"):
            try:
                yield from list(decoded_values(line))
            except ValueError:
                yield InvalidMessageError("not valid JSON")


def messages_in_csv(path: str, content: IO[bytes], written: int) -> Iterator[Message]:
    """Yield the messages that a list of a cohort's sync is.

    `existing` is the list before the sync in one sentence of the documentation and the list at its time in another: it
    only ever adds, and a second earlier, so that who left in the same sync stays out.

    Args:
        path: Its name tells cohort and kind.
        content: The file.
        written: When it was written, in milliseconds since 1970, for a name without a full time.

    Raises:
        InvalidMessageError: It is not such a list.
    """
    file = cohort_file(path)
    computed = written if file.time is None else int(file.time.timestamp() * 1000)
    action = REMOVE if file.list_kind == "exiting" else ADD
    name = path.rpartition("/")[2]
    table, number = csv_users(content), -1
    while rows := list(islice(table, USERS_PER_MESSAGE)):
        number += 1
        users = [user for user in rows if user]
        yield Message(
            message_id=f"{name}::{number}",
            cohort_id=file.cohort_id,
            cohort_name=None,
            action=action,
            computed=computed - (1000 if file.list_kind == "existing" else 0),
            users=users,
            without_id=len(rows) - len(users),
        )


def check_csv(content: IO[bytes]) -> None:
    """Read a list to its end: nothing of a damaged one may get out.

    Raises:
        InvalidMessageError: The header names no id, or the file is not valid CSV.
    """
    for _ in csv_users(content):
        pass


def csv_users(content: IO[bytes]) -> Iterator[User | None]:
    """Yield the users of a list, None for a row without any id.

    Raises:
        InvalidMessageError: The header names no id, or the file is not valid CSV.
    """
    with csv_table(content) as table:
        try:
            header: list[str] = next(table, [])
            plain = [name.strip().lower().replace("_", "").replace(" ", "") for name in header]
            if not {AMPLITUDE_ID, USER_ID} & set(plain):
                raise InvalidMessageError("its header names no id")
            for cells in table:
                if cells:
                    yield csv_user(header, plain, cells)
        except UnicodeDecodeError as error:
            raise InvalidMessageError("not UTF-8 text") from error
        except csv.Error as error:
            raise InvalidMessageError(f"line {table.line_num:,}: {error}") from error


def csv_user(header: Sequence[str], plain: Sequence[str], cells: Sequence[str]) -> User | None:
    """Return the user of a row, None without any id."""
    if len(cells) != len(header):
        raise InvalidMessageError(f"a row has {len(cells)} cells, the header {len(header)}")
    row = dict(zip(reversed(plain), reversed(cells), strict=True))  # of twins, the first counts
    amplitude_id, user_id = row.get(AMPLITUDE_ID, "").strip(), row.get(USER_ID, "")
    properties = {
        name: cell or None
        for name, key, cell in zip(header, plain, cells, strict=True)
        if key not in (AMPLITUDE_ID, USER_ID)
    }
    number = int(amplitude_id) if amplitude_id.isascii() and amplitude_id.isdigit() and len(amplitude_id) < 20 else None
    return User(user_id or None, number, properties or None) if user_id or number is not None else None
