"""Imports run downward, in no circle, and only from what a package declares."""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]

# From top to bottom: a module imports from its own room and those below. Rooms in one line are neighbours.
ROOMS: dict[str, list[tuple[str, ...]]] = {
    "tap_split_impressions": [
        ("__main__",),
        ("tap",),
        ("lambda_handler", "listener"),
        ("check",),
        ("settings",),
        ("streams",),
        ("webhook", "receiver"),
        ("folder",),
        ("impressions",),
        ("api",),
        ("common",),
    ],
    "tap_amplitude": [
        ("__main__",),
        ("tap",),
        ("webhook", "receiver"),
        ("check", "settings"),
        ("streams",),
        ("cohorts", "files"),
        ("export",),
        ("records",),
        ("api",),
        ("common",),
    ],
    "target_amplitude": [
        ("__main__",),
        ("target",),
        ("settings",),
        ("audit", "sinks"),
        ("delivery",),
        ("payloads",),
        ("mapping",),
        ("api",),
        ("common",),
    ],
    "target_split": [
        ("__main__",),
        ("target",),
        ("check",),
        ("connection",),
        ("settings",),
        ("audit", "sinks"),
        ("events", "segments"),
        ("ledger",),
        ("mapping",),
        ("api",),
        ("common",),
    ],
}
COMMON_ROOMS = [("audit",), ("receiver", "tap", "target"), ("folder",)]  # above the plain modules of common/
PACKAGES = tuple(ROOMS)


def folder_of(package: str) -> Path:
    return ROOT / "common" if package == "common" else ROOT / package.replace("_", "-") / package


@cache
def modules(package: str) -> dict[str, Path]:
    """The modules of a package by their name inside it; `common/` is looked at by itself."""
    folder = folder_of(package)
    paths = {path.relative_to(folder): path for path in folder.rglob("*.py")}
    return {
        ".".join(name.with_suffix("").parts).removesuffix(".__init__").removesuffix("__init__"): path
        for name, path in paths.items()
        if package == "common" or name.parts[0] != "common"
    }


def imported_by(package: str, name: str) -> Iterator[str]:
    """Modules of the same package that a module imports, also inside functions and under TYPE_CHECKING."""
    known, path = modules(package), modules(package)[name]
    parents = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom):
            continue
        if node.level:
            start = [part for part in parents[: len(parents) - node.level + 1] if part]
            base = ".".join([*start, *(node.module or "").split(".")]).strip(".")
        elif (node.module or "").partition(".")[0] == package:
            base = (node.module or "").partition(".")[2]
        else:
            continue
        for one in node.names:
            inner = f"{base}.{one.name}".strip(".")
            yield inner if inner in known else base


def level(rooms: list[tuple[str, ...]], module: str) -> int:
    """How far down the room of a module is; modules of no room are at the bottom, which only `common/` has."""
    room = module.partition(".")[0]
    return next((number for number, names in enumerate(rooms) if room in names), len(rooms))


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_has_a_room(package: str):
    rooms = {room for names in ROOMS[package] for room in names}
    assert {name.partition(".")[0] for name in modules(package)} - {""} <= rooms


@pytest.mark.parametrize("package", [*PACKAGES, "common"])
def test_imports_run_downward(package: str):
    rooms = ROOMS.get(package, COMMON_ROOMS)
    seen = [(name, other) for name in modules(package) for other in imported_by(package, name)]
    assert len(seen) > 20
    assert [f"{name} imports {other}" for name, other in seen if level(rooms, other) < level(rooms, name)] == []


@pytest.mark.parametrize("package", [*PACKAGES, "common"])
def test_no_imports_run_in_a_circle(package: str):
    waiting = {name: set(imported_by(package, name)) - {name} for name in modules(package)}
    assert sum(map(len, waiting.values())) > 20
    while free := [name for name, others in waiting.items() if not others & waiting.keys()]:
        for name in free:
            del waiting[name]
    assert waiting == {}


# Dependencies


def project(package: str) -> dict[str, Any]:
    text = (ROOT / package.replace("_", "-") / "pyproject.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def declared(package: str) -> Mapping[str, Requirement]:
    """What a package declares, extras included, by normalized name."""
    table = project(package)["project"]
    texts = [
        *table["dependencies"],
        *(text for extra in table.get("optional-dependencies", {}).values() for text in extra),
    ]
    return {canonicalize_name(Requirement(text).name): Requirement(text) for text in texts}


def vendored(package: str) -> list[Path]:
    """The files of `common/` that go into a package."""
    folders = project(package)["tool"]["hatch"]["build"]["hooks"]["custom"]["folders"]
    return [path for folder in ("", *folders) for path in (ROOT / "common" / folder).glob("*.py")]


def imported_names(tree: ast.AST) -> Iterator[str]:
    """Top-level modules that a module imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name.partition(".")[0] for one in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").partition(".")[0]


def optional_names(tree: ast.AST) -> Iterator[str]:
    """Those that it can do without: imported where an ImportError is caught."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Try) and any("ImportError" in ast.dump(handler) for handler in node.handlers):
            for statement in node.body:
                yield from imported_names(statement)


def distributions(package: str, names_of: Callable[[ast.AST], Iterator[str]]) -> set[str]:
    """The distributions that hold what a package imports."""
    owners = packages_distributions()
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (*modules(package).values(), *vendored(package))]
    foreign = {name for tree in trees for name in names_of(tree)} - sys.stdlib_module_names - {package, ""}
    return {canonicalize_name(owners[name][0]) if name in owners else f"unknown {name}" for name in foreign}


# Used without an import of ours: fsspec loads these when a URL needs them, uvicorn the last one when it is there.
LOADED_BY_NAME = {"s3fs", "gcsfs", "adlfs", "httptools"}


@pytest.mark.parametrize("package", PACKAGES)
def test_what_is_imported_is_declared_and_the_other_way_round(package: str):
    imported, optional = distributions(package, imported_names), distributions(package, optional_names)
    assert "singer-sdk" in imported
    assert imported - optional - declared(package).keys() == set()
    assert declared(package).keys() - imported - LOADED_BY_NAME == set()


@pytest.mark.parametrize("package", PACKAGES)
def test_what_may_break_without_notice_has_an_upper_bound(package: str):
    """Releases before 1.0, and the SDK, whose private parts are used."""
    unbounded = [
        name
        for name, requirement in declared(package).items()
        if any(one.operator == ">=" and one.version.startswith("0.") for one in requirement.specifier)
        and not any(one.operator in {"<", "=="} for one in requirement.specifier)
    ]
    assert len(declared(package)) > 3
    assert unbounded == []
