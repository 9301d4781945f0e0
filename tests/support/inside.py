"""Runs a connector's command line inside the test's process: all of it, quicker than a process of its own."""

from __future__ import annotations

import contextlib
import gc
import io
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

CLASSES = {
    "tap-split-impressions": ("tap_split_impressions.tap", "TapSplitImpressions"),
    "tap-amplitude": ("tap_amplitude.tap", "TapAmplitude"),
    "target-amplitude": ("target_amplitude.target", "TargetAmplitude"),
    "target-split": ("target_split.target", "TargetSplit"),
}


def connector_class(plugin: str) -> Any:
    """Return the class of a connector."""
    module, name = CLASSES[plugin]
    return getattr(import_module(module), name)


class Lines(logging.Handler):
    """Keeps what is logged, as the console would show it."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(logging.Formatter("| %(levelname)-8s | %(name)s | %(message)s"))
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@contextlib.contextmanager
def process_kept() -> Iterator[None]:
    """A connector takes over parts of its process; give them back to the test's."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    hook, umask, threshold = sys.excepthook, os.umask(0o077), gc.get_threshold()
    root = logging.getLogger()
    level, before = root.level, list(root.handlers)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        sys.excepthook = hook
        os.umask(umask)
        gc.unfreeze()
        gc.set_threshold(*threshold)
        root.setLevel(level)
        root.handlers[:] = before
        logging.captureWarnings(capture=False)


def run_inside(
    plugin: str, arguments: Sequence[str], lines: bytes, environment: Mapping[str, str], folder: Path
) -> tuple[int, str, str]:
    """Run a command line to its end, with `folder` as working directory.

    Args:
        plugin: Name of the connector.
        arguments: Its arguments.
        lines: Standard input.
        environment: Variables beside those of the process.
        folder: Working directory.

    Returns:
        Exit code, standard output, log.
    """
    output, log = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True), Lines()
    command = connector_class(plugin).get_singer_command()
    with (
        process_kept(),
        contextlib.chdir(folder),
        io.TextIOWrapper(tempfile.TemporaryFile()) as source,
        mock.patch.dict(os.environ, environment),
    ):
        source.buffer.write(lines)
        source.buffer.seek(0)
        root = logging.getLogger()
        root.setLevel(logging.INFO)
        root.handlers[:] = [log]
        with contextlib.redirect_stdout(output), mock.patch.object(sys, "stdin", source):
            try:
                command.main(list(arguments), prog_name=plugin)
                code = 0
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else int(end.code is not None)
        output.seek(0)
        return code, output.read(), "\n".join(log.lines)
