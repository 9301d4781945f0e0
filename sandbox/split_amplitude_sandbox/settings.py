"""Settings that change while the sandbox runs: readings the documentation leaves open, and knobs for exact tests."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

Known = TypeVar("Known", bound=msgspec.Struct)


class Settings(Generic[Known]):
    """The current settings of one service. A restart or a reset restores the defaults.

    Args:
        kind: a struct that forbids unknown fields and has a default for each of its fields.
    """

    def __init__(self, kind: type[Known]) -> None:
        self._kind = kind
        self.current = kind()

    def change(self, body: bytes) -> int:
        """Change the settings that a JSON object names; return their number.

        Raises:
            msgspec.ValidationError: a setting is unknown or has a value of the wrong type.
        """
        given = msgspec.json.decode(body, type=dict[str, Any])
        self.current = msgspec.convert(msgspec.to_builtins(self.current) | given, self._kind)
        return len(given)

    def reset(self) -> None:
        """Go back to the defaults."""
        self.current = self._kind()
