"""Updates of user properties. No I/O.

Source: https://amplitude.com/docs/apis/analytics/identify, "User property operations"; `$clearAll` from the SDKs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Properties = dict[str, Any]


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def _add(old: Any, value: Any) -> Any:
    return (old if isinstance(old, (int, float)) else 0) + value


def _new_of(old: Any, value: Any) -> list[Any]:
    known, new = _listed(old), []
    for item in _listed(value):
        if item not in known and item not in new:
            new.append(item)
    return new


_CHANGES: dict[str, Callable[[Any, Any], Any]] = {
    "$set": lambda _, value: value,
    "$add": _add,
    "$append": lambda old, value: _listed(old) + _listed(value),
    "$prepend": lambda old, value: _listed(value) + _listed(old),
    "$preInsert": lambda old, value: _new_of(old, value) + _listed(old),
    "$postInsert": lambda old, value: _listed(old) + _new_of(old, value),
    "$remove": lambda old, value: [item for item in _listed(old) if item not in _listed(value)],
}
OPERATIONS = frozenset({*_CHANGES, "$setOnce", "$unset", "$clearAll"})


def are_valid(given: Properties) -> bool:
    """Whether these are plain values only, or known operations only, each of the right shape."""
    operations = [name for name in given if name.startswith("$")]
    if not operations:
        return True
    return (
        len(operations) == len(given)
        and OPERATIONS.issuperset(operations)
        and all(isinstance(values, dict) or name == "$clearAll" for name, values in given.items())
        and all(
            isinstance(value, (int, float)) and not isinstance(value, bool) for value in given.get("$add", {}).values()
        )
    )


def apply(current: Properties, given: Properties) -> None:
    """Change a user's properties in place by what `are_valid` takes; plain values are set."""
    if "$clearAll" in given:
        current.clear()
    if not any(name in OPERATIONS for name in given):
        current.update(given)
        return
    for name, value in given.get("$setOnce", {}).items():
        current.setdefault(name, value)
    for operation, change in _CHANGES.items():
        for name, value in given.get(operation, {}).items():
            if operation == "$remove" and name not in current:
                continue
            current[name] = change(current.get(name), value)
    for name in given.get("$unset", {}):
        current.pop(name, None)
