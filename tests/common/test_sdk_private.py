"""A canary: the private names of the Singer SDK that we use are still there, and no others are used."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from singer_sdk.plugin_base import PluginBase
from singer_sdk.sinks import Sink
from singer_sdk.streams import Stream

from common.sdk_private import OVERRIDDEN, USED

ROOT = Path(__file__).parents[2]
PACKAGES = ("tap_split_impressions", "tap_amplitude", "target_amplitude", "target_split")


@pytest.mark.parametrize(
    ("owner", "name"),
    [(owner, name) for table in (OVERRIDDEN, USED) for owner, names in table.items() for name in names],
)
def test_the_sdk_still_has_it(owner: type, name: str):
    source = Path(importlib.import_module(owner.__module__).__file__ or "").read_text(encoding="utf-8")
    assert hasattr(owner, name) or f"self.{name}" in source


def our_classes() -> Iterator[type]:
    """Classes of ours that extend the SDK's."""
    for package in PACKAGES:
        module = importlib.import_module(package)
        for found in pkgutil.walk_packages(module.__path__, f"{package}."):
            if "lambda_handler" in found.name:
                continue  # reads its settings at import
            loaded = importlib.import_module(found.name)
            for value in vars(loaded).values():
                if isinstance(value, type) and issubclass(value, (PluginBase, Stream, Sink)):
                    yield from (one for one in value.__mro__ if one.__module__.startswith(PACKAGES))


def test_every_private_method_that_is_overridden_is_listed():
    listed = {name for names in OVERRIDDEN.values() for name in names}
    classes = set(our_classes())
    assert len(classes) > 10
    unlisted = {
        f"{one.__qualname__}.{name}"
        for one in classes
        for name in vars(one)
        if name.startswith("_") and not name.startswith("__") and not name.startswith("_abc")
        for base in one.__mro__[1:]
        if base.__module__.startswith("singer_sdk") and name in vars(base) and name not in listed
    }
    assert unlisted == set()


def test_private_modules_and_names_are_imported_in_one_place():
    files = [
        *ROOT.glob("common/**/*.py"),
        *(path for name in PACKAGES for path in ROOT.glob(f"*/{name}/[!c]*/**/*.py")),
    ]
    files += [path for name in PACKAGES for path in ROOT.glob(f"*/{name}/*.py")]
    assert len(files) > 80
    found = {
        f"{path.name}: {node.module}.{name.name}"
        for path in files
        if path.name != "sdk_private.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("singer_sdk")
        for name in node.names
        if any(part.startswith("_") for part in [*(node.module or "").split("."), name.name])
    }
    assert found == set()
