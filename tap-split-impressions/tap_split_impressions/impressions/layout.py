"""Typed decoders for the objects that sources really send, made from the first ones that come. Pure.

`Item` is exactly an impression of Split's webhook. Any other object (other names, members nobody knows, a time as text)
can be read through `items_of`, which takes five times as long. So the layout of such an object, the names and types of
its members, becomes a typed decoder of its own. What no decoder takes is read through `items_of`: layouts change the
speed, never the results.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tap_split_impressions.common.lenient_json import decoded
from tap_split_impressions.impressions.item import (
    CONVERSIONS,
    LISTENER_CONTEXT,
    NECESSARY,
    WHOLE_NUMBERS,
    Item,
    NotAnImpression,
    Row,
    field_of,
    items_of,
)

# Objects whose members differ again and again end the learning.
MOST_LAYOUTS, MOST_MEMBERS, MOST_CHANGES = 8, 100, 64

NOT_YET = "\ue000"  # what the names of members that have not come yet begin with
IMPOSSIBLE = re.compile(r'["\\\x00-\x1f\ud800-\udfff]')  # in a name, for msgspec

TYPES = {one.name: one.type for one in msgspec.structs.fields(Item)}


@dataclass
class Layout:
    """Names and types of the members of an object.

    Attributes:
        is_listener: Whether the members are those of `impression` in an object of a JavaScript listener.
        names: Field of `Item` to the member that holds it.
        loose: Fields that came with another type than `Item` has; they are converted after decoding.
        ignored: Members that stand for no field.
    """

    is_listener: bool = False
    names: dict[str, str] = field(default_factory=dict)
    loose: set[str] = field(default_factory=set)
    ignored: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, value: Any) -> Layout | None:
        """Return the layout of a decoded object, or None when it is not one impression with a member for each field."""
        if not isinstance(value, dict):
            return None
        layout = cls(isinstance(value.get("impression"), dict))
        if layout.is_listener and value.keys() - {"impression", *LISTENER_CONTEXT}:
            return None
        for name, member in (value["impression"] if layout.is_listener else value).items():
            target = field_of(name)
            if IMPOSSIBLE.search(name):
                return None
            if target is None:
                layout.ignored.add(name)
            elif target in layout.names:
                return None
            else:
                layout.names[target] = name
                if not is_strict(target, member):
                    layout.loose.add(target)
        return layout if layout.names.keys() >= set(NECESSARY) else None

    def absorb(self, other: Layout) -> bool:
        """Take in another layout, unless they contradict each other; return whether that was possible."""
        if self.is_listener is not other.is_listener or any(
            self.names.get(target, name) != name for target, name in other.names.items()
        ):
            return False
        self.names |= other.names
        self.loose |= other.loose
        self.ignored |= other.ignored
        return True

    def item_type(self) -> Any:
        """Return `Item` with the names and types of this layout."""
        fields: list[Any] = [
            (name, Any if name in self.loose else annotation, *(() if name in NECESSARY else (None,)))
            for name, annotation in TYPES.items()
        ]
        ignored = {f"ignored_{number}": name for number, name in enumerate(sorted(self.ignored))}
        fields += [(name, Any, None) for name in ignored]
        # A field that has not come yet gets a name that no member has, so that its member changes the layout.
        rename = {name: self.names.get(name, f"{NOT_YET}{name}") for name in TYPES} | ignored
        return msgspec.defstruct("Item", fields, bases=(Item,), rename=rename, gc=False, forbid_unknown_fields=True)


def is_strict(target: str, value: Any) -> bool:
    """Whether a value has the type that a field of `Item` has."""
    if TYPES[target] is Any:
        return True
    if value is None:
        return target not in NECESSARY
    return type(value) is int if target in WHOLE_NUMBERS else isinstance(value, str)


class Batch(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A line of a receiver's file: when the batch arrived (milliseconds since 1970), and the batch as it was sent."""

    received: int
    batch: Any


class Shape:
    """Decoders of one layout (None: of Split's webhook): of an object, of a list of them, and of a stored `Batch`."""

    def __init__(self, layout: Layout | None = None) -> None:
        self.layout = layout
        kind: Any = layout.item_type() if layout else Item
        if layout and layout.is_listener:
            context = [(name, Any, None) for name in LISTENER_CONTEXT]
            kind = msgspec.defstruct("Listener", [("impression", kind), *context], gc=False, forbid_unknown_fields=True)
        batch = msgspec.defstruct("Batch", [("received", int), ("batch", list[kind])], gc=False, bases=(Batch,))
        self.item: msgspec.json.Decoder[Any] = msgspec.json.Decoder(kind)
        self.items: msgspec.json.Decoder[Any] = msgspec.json.Decoder(list[kind])
        self.stored: msgspec.json.Decoder[Any] = msgspec.json.Decoder(batch)
        self._conversions: list[tuple[str, Callable[[Any], Any]]] = [
            (name, CONVERSIONS[name]) for name in sorted(layout.loose if layout else ())
        ]

    def rows(self, decoded_items: list[Any]) -> list[Row]:
        """Return decoded objects as items.

        Raises:
            ValueError: One of them is not an impression; `items_of` tells why.
        """
        if self.layout and self.layout.is_listener:
            decoded_items = list(map(unwrapped, decoded_items))
        for name, convert in self._conversions:
            for item in decoded_items:
                value = convert(getattr(item, name))
                if value is None and name in NECESSARY:
                    raise NotAnImpression(f"without {name}")
                setattr(item, name, value)
        return decoded_items


def unwrapped(listener: Any) -> Item:
    """Return the item of a JavaScript listener's object, with what stands around it."""
    item: Item = listener.impression
    for name, target in LISTENER_CONTEXT.items():
        if getattr(item, target) is None and (value := getattr(listener, name)) is not None:
            setattr(item, target, CONVERSIONS[target](value))
    return item


class Decoders:
    """The shapes of one file. The one that fitted last is tried first, on many objects at a time.

    Attributes:
        singly: Whether an odd object came lately, so that a block is better decoded object by object: an odd one then
            costs only itself.
    """

    def __init__(self) -> None:
        self.shape = Shape()
        self.singly = False
        self._shapes = [self.shape]
        self._changes = 0

    def rows_of(self, text: bytes | msgspec.Raw) -> list[Row]:
        """Return the rows of one JSON value, usually one impression.

        Raises:
            ValueError: It is not valid JSON.
        """
        for shape in (self.shape, *self._shapes):
            try:
                rows = shape.rows([shape.item.decode(text)])
            except (ValueError, RecursionError):
                continue
            self.shape = shape
            return rows
        self.singly = True
        value = decoded(bytes(text))
        rows = list(items_of(value))
        if len(rows) == 1 and isinstance(rows[0], Item):
            self._learn(value)
        return rows

    def _learn(self, value: Any) -> None:
        layout = Layout.of(value)
        if layout is None or self._changes == MOST_CHANGES or len(layout.ignored) > MOST_MEMBERS:
            return
        self._changes += 1
        for number, shape in enumerate(self._shapes):
            known = shape.layout
            if known and len(known.ignored | layout.ignored) <= MOST_MEMBERS and known.absorb(layout):
                self._shapes[number] = self.shape = Shape(known)
                return
        if len(self._shapes) < MOST_LAYOUTS:
            self.shape = Shape(layout)
            self._shapes.append(self.shape)
