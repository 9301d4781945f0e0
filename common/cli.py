"""How every command line behaves: an expected failure is one line and exit code 1, a signal ends a run cleanly.

`PlainMessages` is the base of every tap and target here; `PlainCommand` is the command that runs it.
"""

from __future__ import annotations

import errno
import gc
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, Self, cast

import click
import dotenv
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.plugin_base import JSONSchemaValidator, PluginBase, SingerCommand

from .errors import ConnectorError, hint
from .input_files import CatalogFile, StateFile, read_object
from .redact import Redactor, hide_in_logs
from .sdk_private import ConfigInput
from .settings import (
    clean_keys,
    is_unencrypted,
    read_texts,
    secrets_of,
    settings_from_environment,
    type_words,
    without_blanks,
)
from .stdout import silence_stdout
from .stream_maps import failure_message

# An output of ours that is redirected to a file can meet these; files named by settings are the connectors' business.
DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

# What connectors write holds records: batch files, rejects, spools. Only their owner may read them.
PRIVATE = 0o077

STOP_AGAIN_SECONDS = 0.05

# How many more objects make Python look for cycles. Records are many objects without any: looking after each few
# hundred, as it does on its own, takes up to a third of the time of a run.
GC_THRESHOLD = 100_000


class PlainCommand(SingerCommand):
    """A Singer command that reports failures in one line each."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command line; exit code 1 after a failure."""
        os.umask(PRIVATE)
        gc.freeze()
        gc.set_threshold(GC_THRESHOLD)
        # urllib3 logs URLs with their queries, and tracebacks of answers that it can live with.
        logging.getLogger("urllib3").setLevel(logging.ERROR)
        try:
            return super().main(*args, **kwargs)
        except Exception as error:  # no traceback ever reaches a user
            for message in failure_messages(error, self.name or "connector"):
                self.logger.error("%s", message)
            self.logger.debug("Traceback:", exc_info=True)
        return sys.exit(1)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the plugin, leaving its failures to `main` (the SDK's own handler would add the whole schema)."""
        logging.captureWarnings(capture=True)
        sys.excepthook = self.excepthook
        sys.unraisablehook = self.note_unraisable
        return click.Command.invoke(self, ctx)

    def note_unraisable(self, report: Any) -> None:
        """Log an error that Python cannot raise where it happens, such as in `__del__`: it has no effect."""
        self.logger.debug("Ignored:", exc_info=report.exc_value)


def failure_messages(error: Exception, name: str) -> list[str]:
    """Return what to tell a user about a failure, a message each line."""
    if isinstance(error, ConfigValidationError):
        return list(error.errors)
    if isinstance(error, ConnectorError):
        return [str(error)]
    if isinstance(error, BrokenPipeError):
        # The next program in the pipe went away. Its own message says why; ours only adds where it happened.
        silence_stdout()
        return ["The program reading this output stopped; so does this one."]
    if isinstance(error, OSError) and error.errno in DISK_FULL and error.filename is None:
        silence_stdout()
        return [f"Standard output cannot be written: {error.strerror}. Make room, and run again."]
    if message := failure_message(error):
        return [message]
    return [unexpected(error, name)]


def unexpected(error: Exception, name: str) -> str:
    """Return the message of a bug of ours, without the error's own text, which may hold a record or a key."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(where.filename).name}, line {where.lineno}"
    variable = f"{name.upper().replace('-', '_')}_LOGLEVEL"
    return (
        f"Unexpected {type(error).__name__} ({place}): a bug in {name}. Please"
        f" report it with the output of '{name} --version'. {variable}=DEBUG adds the traceback, which may hold data of"
        " yours."
    )


class PlainMessages(PluginBase):
    """Mixin for a tap or target: settings cleaned and checked, failures in one line, signals, `--check`.

    Attributes:
        stopping: Set once a signal came.
        stop_signal: Its number.
        repeats_ignored_seconds: How long after the first signal others are ignored; then one kills. Ctrl-C on `meltano
            run` reaches a plugin as SIGINT, and then as SIGTERM; schedulers repeat SIGTERM.
    """

    repeats_ignored_seconds = 30.0

    def __init__(self, *, config: Any = None, parse_env_config: bool = False, **options: Any) -> None:
        self.stopping = threading.Event()
        self.stop_signal: int | None = None
        self._stopped_at = 0.0
        self._environment_problems: list[str] = []
        if config is None or isinstance(config, Mapping):
            config = without_blanks(config or {})
        if parse_env_config:
            config = config | self._settings_from_environment()
        super().__init__(config=config, **options)

    # Settings

    def _settings_from_environment(self) -> dict[str, Any]:
        """Return the settings that the environment gives, and `.env` in this folder or one above."""
        dotenv.load_dotenv(dotenv.find_dotenv(usecwd=True))
        schema = self.config_jsonschema
        self.append_builtin_config(schema)
        prefix = f"{self.name.upper().replace('-', '_')}_"
        config, self._environment_problems = settings_from_environment(schema, prefix, os.environ)
        return config

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        schema = self.config_jsonschema
        self.append_builtin_config(schema)
        self._config, unreadable = read_texts(without_blanks(self._config), schema)
        stripped, problems = clean_keys(self._config, schema)
        errors = self._environment_problems + problems + unreadable
        errors += [setting_error(error) for error in JSONSchemaValidator(schema).iter_errors(self._config)]
        hide_in_logs(secrets_of(self._config, schema))
        errors += [] if errors else self.check_settings()
        if errors and raise_errors:
            raise ConfigValidationError(" ".join(errors), errors=errors, schema=schema)
        self._warn_of_settings(stripped, schema)
        return errors

    def _warn_of_settings(self, stripped: list[str], schema: Mapping[str, Any]) -> None:
        for name in stripped:
            self.logger.warning("Setting '%s': removed blanks or line feeds around the key.", name)
        for name, value in self._config.items():
            if name not in schema["properties"]:
                self.logger.warning(
                    "Setting '%s' is not known and has no effect.%s", name, hint(name, schema["properties"])
                )
            elif name.endswith("_url") and isinstance(value, str) and is_unencrypted(value):
                self.logger.warning(
                    "Setting '%s' uses http://, so keys and data cross the network in plain text.", name
                )

    def check_settings(self) -> list[str]:
        """Return what is wrong with settings beyond their JSON types, one sentence each. Connectors override it."""
        return []

    def check(self) -> Iterator[str]:
        """Connect, verify keys and permissions, change nothing; yield what can be seen, a line each. To override.

        Raises:
            ConnectorError: Something does not work; its message says what to do.
        """
        yield "The settings are valid."

    # Signals

    @property
    def exit_code(self) -> int:
        """Exit code of a run that a signal ended: 128 and its number."""
        return 128 + (self.stop_signal or 0)

    def stop(self) -> None:
        """End the run cleanly; called once, by the signal's handler, after `stopping` is set. To override."""

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """Stop at the first signal. Further ones are ignored for a while; after that, one kills."""
        if self.stop_signal is None:
            self.stop_signal, self._stopped_at = signum, time.monotonic()
            self.stopping.set()
            sys.unraisablehook = self._stop_again
            self.stop()
        elif time.monotonic() - self._stopped_at >= self.repeats_ignored_seconds:
            signal.signal(signum, signal.SIG_DFL)
            signal.raise_signal(signum)

    def _stop_again(self, report: Any) -> None:
        """Stop again in a moment if the signal met code in which Python cannot raise, such as `__del__`."""
        if isinstance(report.exc_value, SystemExit):
            signal.signal(signal.SIGALRM, lambda *_: self.stop())
            signal.setitimer(signal.ITIMER_REAL, STOP_AGAIN_SECONDS)
        else:
            self.logger.debug("Ignored:", exc_info=report.exc_value)

    # The command line

    @classmethod
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> ConfigInput:
        """Read the settings files; each must hold one object, and later ones win."""
        config: dict[str, Any] = {}
        for path in value:
            if path != "ENV":
                config |= without_blanks(read_object("--config", path))
        return ConfigInput(config=config, parse_env="ENV" in value)

    @classmethod
    def from_command_line(cls, ctx: click.Context) -> Self:
        """Return a connector with the settings that the command line names."""
        given: ConfigInput = ctx.params.get("config") or ConfigInput()
        return cls(config=given.config, parse_env_config=given.parse_env)

    @classmethod
    def cb_check(cls, ctx: click.Context, param: click.Option, value: bool) -> None:
        """Print what `check` sees, and end."""
        if not value:
            return
        connector = cls.from_command_line(ctx)
        redactor = Redactor(secrets_of(connector.config, cls.config_jsonschema))
        for line in connector.check():
            click.echo(redactor.redact(line))
        ctx.exit()

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Return the SDK's command with `--check`, checked input files, and failures reported in one line."""
        command = super().get_singer_command()
        for param in command.params:
            if param.name in {"state", "catalog"}:
                param.type = StateFile() if param.name == "state" else CatalogFile()
        about_check = "Connect, verify keys and permissions, print what can be seen, change nothing, and end."
        command.params.append(
            click.Option(["--check"], is_flag=True, callback=cls.cb_check, expose_value=False, help=about_check)
        )
        return PlainCommand(
            name=command.name,
            callback=command.callback,
            context_settings=command.context_settings,
            params=command.params,
            help=command.help,
            logger=cast("logging.Logger", cls.logger),
        )


def setting_error(error: Any) -> str:
    """Say in one sentence what `jsonschema` finds wrong with a setting, without its value (it may be a key)."""
    path = ".".join(str(part) for part in error.absolute_path)
    if error.validator == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        return " ".join(f"Setting '{f'{path}.{name}' if path else name}' is missing." for name in missing)
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        names = [name for name in error.instance if name not in known]
        return " ".join(f"Setting '{path}' has no member '{name}'.{hint(name, known)}" for name in names)
    if error.validator == "type":
        wanted = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
        return f"Setting '{path}' must be {type_words(wanted)}."
    if error.validator == "enum":
        allowed = ", ".join(str(value) for value in error.validator_value if value is not None)
        return f"Setting '{path}' must be one of: {allowed}."
    if error.validator in {"anyOf", "oneOf"}:
        return f"Setting '{path}' has none of the forms that it can have; see the documentation."
    return f"Setting '{path}' breaks the rule '{error.validator}: {error.validator_value}'."
