"""Selects which properties of an object are sent, and under which names: `{"include", "exclude", "rename"}`. Pure.

Names are those of the object's members; a member of an inner object is named by its path (`cart.total`). An included
object is sent whole, except for what is excluded inside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from target_amplitude.common.record_paths import (
    MappingError,
    Record,
    check_members,
    glob_matcher,
    object_in,
    parse_path,
)

MEMBERS = ("include", "exclude", "rename")
# Decisions about names are cached; objects without a closed schema may bring any number of them.
MAX_CACHED_NAMES = 4096
TAP_PREFIX = "_sdc_"


class Selection:
    """Decides about names, and applies that to objects.

    Args:
        member: `{"include": [globs], "exclude": [globs], "rename": {old: new}}`, each optional.
        hidden: Names left out unless `include` is given (those that other members of the mapping read).
        of_record: Whether names are columns. Columns of the tap itself, which begin with `_sdc_`, are sent only where
            `include` begins with `_sdc_` as well.

    Raises:
        MappingError: The member is malformed.
    """

    def __init__(self, member: Mapping[str, Any], hidden: Iterable[str] = (), *, of_record: bool = False) -> None:
        check_selection(member)
        include = [unquoted(glob) for glob in member.get("include", ("*",))]
        exclude = [unquoted(glob) for glob in member.get("exclude", ())]
        self.chosen = "include" in member
        self._include = include
        self._included = glob_matcher(include)
        of_tap = [glob for glob in include if glob.startswith(TAP_PREFIX)]
        self._included_of_tap = glob_matcher(of_tap) if of_record else self._included
        self._excluded = glob_matcher(exclude)
        self._hidden = frozenset() if self.chosen else frozenset(hidden)
        self._rename = {unquoted(old): new for old, new in member.get("rename", {}).items()}
        inside = [glob.split(".", 1)[0] for glob in (*include, *exclude, *self._rename) if "." in glob]
        self._looks_inside = bool(inside)
        self._is_opened = glob_matcher(inside)
        self._names: dict[str, str | None] = {}

    def name(self, name: str) -> str | None:
        """Return the name under which a member goes out; None when it does not."""
        try:
            return self._names[name]
        except KeyError:
            if len(self._names) >= MAX_CACHED_NAMES:
                self._names.clear()
            included = self._included_of_tap if name.startswith(TAP_PREFIX) else self._included
            wanted = included(name) and not self._excluded(name) and name not in self._hidden
            self._names[name] = result = self._rename.get(name, name) if wanted else None
            return result

    def names(self, column: str) -> bool:
        """Whether `include` names an object or something inside it outright, not by a glob for anything."""
        return self.chosen and any(glob.split(".", 1)[0] == column for glob in self._include)

    def __call__(self, members: Record) -> dict[str, Any]:
        """Return the selected members of an object; those that are null are left out."""
        selected: dict[str, Any] = {}
        for name, value in members.items():
            if value is None:
                continue
            sent = self.name(name)
            if self._looks_inside and type(value) is str and self._is_opened(name):
                value = object_in(value) or value  # noqa: PLW2901  # an object written as JSON text
            if not self._looks_inside or not isinstance(value, dict):
                if sent is not None:
                    selected[sent] = value
            elif sent is not None:
                selected[sent] = self._rest(name, value, selected)
            elif not self._excluded(name):
                self._pick(name, value, selected)
        return selected

    def _rest(self, path: str, members: dict[str, Any], selected: dict[str, Any]) -> dict[str, Any]:
        """Return an included object without what is excluded inside it; renamed members move out of it."""
        rest = {}
        for name, value in members.items():
            inner = f"{path}.{name}"
            if self._excluded(inner):
                continue
            kept = self._rest(inner, value, selected) if isinstance(value, dict) else value
            if inner in self._rename:
                selected[self._rename[inner]] = kept
            else:
                rest[name] = kept
        return rest

    def _pick(self, path: str, members: dict[str, Any], selected: dict[str, Any]) -> None:
        """Take the included members of an object that is not included itself."""
        for name, value in members.items():
            inner = f"{path}.{name}"
            if value is None or self._excluded(inner):
                continue
            if self._included(inner):
                whole = self._rest(inner, value, selected) if isinstance(value, dict) else value
                selected[self._rename.get(inner, inner)] = whole
            elif isinstance(value, dict):
                self._pick(inner, value, selected)


def check_selection(member: Any) -> None:
    """Check the shape of a selection.

    Raises:
        MappingError: It is not an object of lists of globs and a rename.
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
    """Return the names in a selection that are not globs: those must exist in the stream."""
    names = [*member.get("include", ()), *member.get("exclude", ()), *member.get("rename", {})]
    return [name for name in names if not any(sign in name for sign in "*?[")]


def selected_columns(member: Mapping[str, Any]) -> set[str]:
    """Return the columns that a selection's `include` names outright."""
    return {parse_path(name)[0] for name in member.get("include", ()) if not any(sign in name for sign in "*?[")}


def unquoted(name: str) -> str:
    """Return a path without the quotes around its parts."""
    return name.replace('"', "")
