"""Imports of the Singer SDK that a connector rarely needs, deferred until they are used.

The SDK imports all that any of its features may need: a third of a connector's start is spent on libraries for parallel
sinks, batch files in clouds and JSONPath. While `deferred_imports` is open, such a library is not imported; each name
taken from it is a `DeferredName`, which imports the library when it is first called or looked into. Afterwards the
library can be imported as usual.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

# The SDK needs them for parallel sinks, batch files, and its own REST streams.
SELDOM_USED = ("joblib", "upath", "jsonpath_ng", "backoff")


class DeferredName:
    """A name of a library that is not imported yet; stands for a function or a class."""

    def __init__(self, module: str, name: str) -> None:
        self._module = module
        self._name = name

    def _target(self) -> Any:
        return getattr(importlib.import_module(self._module), self._name)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Call what the name stands for."""
        return self._target()(*arguments, **options)

    def __getattr__(self, attribute: str) -> Any:
        """Look into what the name stands for."""
        return getattr(self._target(), attribute)

    def __instancecheck__(self, instance: object) -> bool:
        """Whether an object is of the class that the name stands for."""
        return isinstance(instance, self._target())


class DeferredModule(ModuleType):
    """A library that is not imported yet."""

    def __getattr__(self, name: str) -> DeferredName:
        """Return a name of the library."""
        if name.startswith("__"):
            raise AttributeError(name)
        return DeferredName(self.__name__, name)


class DeferringFinder(MetaPathFinder, Loader):
    """Finds libraries, and what is in them, without importing them."""

    def __init__(self, libraries: Sequence[str]) -> None:
        self._libraries = libraries

    def find_spec(self, fullname: str, *_: Any) -> ModuleSpec | None:
        """Return how to load a deferred module; None for any other."""
        is_deferred = fullname.partition(".")[0] in self._libraries
        return ModuleSpec(fullname, self, is_package=True) if is_deferred else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return a deferred module."""
        return DeferredModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: that is the point."""


@contextmanager
def deferred_imports(libraries: Sequence[str] = SELDOM_USED) -> Iterator[None]:
    """Defer imports of libraries while modules are imported. A library that is imported already stays so."""
    finder = DeferringFinder([library for library in libraries if library not in sys.modules])
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name, module in sys.modules.items() if isinstance(module, DeferredModule)]:
            del sys.modules[name]
