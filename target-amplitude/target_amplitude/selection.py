"""Which properties of an object are sent, and under which names: `{"include", "exclude", "rename"}`. Pure.

Names are those of the object's members; a member of an inner object is named by its path (`cart.total`). What is
included goes out whole, less what is excluded inside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .paths import MappingError, Record, check_members, glob_matcher, parse_path

MEMBERS = ("include", "exclude", "rename")
# Open objects may bring any number of names; decisions about this many are remembered.
REMEMBERED_NAMES = 4096


class Selection:
    """Decides about names, and applies that to objects.

    Args:
        member: `{"include": [globs], "exclude": [globs], "rename": {old: new}}`, each optional.
        hidden: Names left out unless `include` is given (what other members of the mapping read).

    Raises:
        MappingError: The member is malformed.
    """

    def __init__(self, member: Mapping[str, Any], hidden: Iterable[str] = ()) -> None:
        check_selection(member)
        include = [unquoted(glob) for glob in member.get("include", ("*",))]
        exclude = [unquoted(glob) for glob in member.get("exclude", ())]
        self.chosen = "include" in member
        self._included = glob_matcher(include)
        self._excluded = glob_matcher(exclude)
        self._hidden = frozenset() if self.chosen else frozenset(hidden)
        self._rename = {unquoted(old): new for old, new in member.get("rename", {}).items()}
        self._looks_inside = any("." in glob for glob in (*include, *exclude, *self._rename))
        self._names: dict[str, str | None] = {}

    def name(self, name: str) -> str | None:
        """Return the name under which a member goes out; None when it does not."""
        try:
            return self._names[name]
        except KeyError:
            if len(self._names) >= REMEMBERED_NAMES:
                self._names.clear()
            wanted = self._included(name) and not self._excluded(name) and name not in self._hidden
            self._names[name] = result = self._rename.get(name, name) if wanted else None
            return result

    def __call__(self, members: Record) -> dict[str, Any]:
        """Return the selected members of an object; those that are null are left out."""
        selected: dict[str, Any] = {}
        for name, value in members.items():
            if value is None:
                continue
            if self._looks_inside and isinstance(value, dict):
                self._look_inside(name, value, selected)
            elif (sent := self.name(name)) is not None:
                selected[sent] = value
        return selected

    def _look_inside(self, name: str, members: dict[str, Any], selected: dict[str, Any]) -> None:
        whole = self.name(name)
        rest: dict[str, Any] = {}
        for inner, value in members.items():
            path = f"{name}.{inner}"
            if whole is None:  # only members that are named by their path
                if isinstance(value, dict):
                    self._look_inside(path, value, selected)
                elif value is not None and not self._excluded(name) and (sent := self.name(path)) is not None:
                    selected[sent] = value
            elif path in self._rename and not self._excluded(path):
                selected[self._rename[path]] = value
            elif not self._excluded(path):
                rest[inner] = self._pruned(path, value)
        if whole is not None:
            selected[whole] = rest

    def _pruned(self, path: str, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {
            name: self._pruned(f"{path}.{name}", inner)
            for name, inner in value.items()
            if not self._excluded(f"{path}.{name}")
        }


def check_selection(member: Any) -> None:
    """Check the shape of a selection.

    Raises:
        MappingError: It is no object of lists of globs and a rename.
    """
    if not isinstance(member, dict):
        raise MappingError('write {"include": [globs], "exclude": [globs], "rename": {old: new}}.')
    check_members(member, MEMBERS)
    for name in ("include", "exclude"):
        globs = member.get(name, [])
        if not isinstance(globs, list) or not all(isinstance(glob, str) for glob in globs):
            raise MappingError(f"'{name}' must be a list of globs.")
    rename = member.get("rename", {})
    if not isinstance(rename, dict) or not all(isinstance(new, str) and new.strip() for new in rename.values()):
        raise MappingError("'rename' must be an object of old and new names.")


def plain_names(member: Mapping[str, Any]) -> list[str]:
    """Return the names in a selection that are no globs: those must exist in the stream."""
    names = [*member.get("include", ()), *member.get("exclude", ()), *member.get("rename", {})]
    return [name for name in names if not any(sign in name for sign in "*?[")]


def selected_columns(member: Mapping[str, Any]) -> set[str]:
    """Return the columns that a selection's `include` names outright."""
    return {parse_path(name)[0] for name in member.get("include", ()) if not any(sign in name for sign in "*?[")}


def unquoted(name: str) -> str:
    """Return a path as the text its parts make when joined by dots."""
    return name.replace('"', "")


Select = Callable[[Record], dict[str, Any]]
