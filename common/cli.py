"""The command line's manners: every foreseen failure is one sentence and a non-zero exit, never a traceback.

The same file stands in each connector (they share no library); a test holds the copies equal.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import sys
from typing import Any

import click
import simplejson
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers._util import read_json_file
from singer_sdk.plugin_base import JSONSchemaValidator, PluginBase, SingerCommand, _ConfigInput

from .errors import ConnectorError, hint

__all__ = ["ConnectorError", "PlainCommand", "PlainMessages", "hint", "setting_error", "silence_stdout"]

# jsonschema's names of the JSON types, in words a person uses for a setting.
TYPE_WORDS = {"object": "an object", "array": "a list", "integer": "a whole number", "null": "null"}

# An output of ours that is redirected to a file can meet these; files named by settings are the connectors' business.
DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

# Whatever is written holds records: batch files, rejects, spools. They are their owner's alone.
PRIVATE = 0o077


class PlainCommand(SingerCommand):
    """A Singer command that reports foreseen failures in one line each."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command line; exit code 1 after a foreseen failure."""
        os.umask(PRIVATE)
        try:
            return super().main(*args, **kwargs)
        except ConfigValidationError as error:
            messages = error.errors
        except ConnectorError as error:
            messages = [str(error)]
        except FileNotFoundError as error:
            messages = [f"--config: {error.args[0] if len(error.args) == 1 else error}"]
        except (json.JSONDecodeError, simplejson.JSONDecodeError) as error:
            messages = [f"--config or --state: the file is not valid JSON (line {error.lineno})."]
        except BrokenPipeError:
            # The next program in the pipe went away. Its own message says why; ours only adds where it happened.
            silence_stdout()
            messages = ["The program reading this output stopped; so does this one."]
        except OSError as error:
            if error.errno not in DISK_FULL or error.filename is not None:
                raise
            silence_stdout()
            messages = [f"Standard output cannot be written: {error.strerror}. Make room, and run again."]
        for message in messages:
            self.logger.error(message)
        return sys.exit(1)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the plugin, leaving its failures to `main` (the SDK's own handler would add the whole schema)."""
        logging.captureWarnings(capture=True)
        sys.excepthook = self.excepthook
        return click.Command.invoke(self, ctx)


class PlainMessages(PluginBase):
    """Mixin for a tap or target: settings checked in sentences, failures reported by `PlainCommand`."""

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        schema = self.config_jsonschema
        self.append_builtin_config(schema)
        errors = [setting_error(error) for error in JSONSchemaValidator(schema).iter_errors(self._config)]
        errors += [] if errors else self.check_settings()
        if errors and raise_errors:
            raise ConfigValidationError(" ".join(errors), errors=errors, schema=schema)
        for name in self._config.keys() - schema["properties"].keys():
            self.logger.warning(
                "Setting '%s' is not known and has no effect.%s", name, hint(name, schema["properties"])
            )
        return errors

    def check_settings(self) -> list[str]:
        """Return what is wrong with settings beyond their JSON types, one sentence each. For connectors to override."""
        return []

    @classmethod
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> _ConfigInput:
        """Read the settings files; each must hold one object."""
        for path in value:
            if path != "ENV" and not isinstance(read_json_file(path), dict):
                raise ConnectorError(f"--config: {path} must hold one JSON object, the settings by name.")
        return super().cb_config(ctx, param, value)

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Return the SDK's command with its failures reported in plain sentences."""
        command = super().get_singer_command()
        return PlainCommand(
            name=command.name,
            callback=command.callback,
            context_settings=command.context_settings,
            params=command.params,
            help=command.help,
            logger=cls.logger,
        )


def setting_error(error: Any) -> str:
    """Say in one sentence what is wrong with a setting, without its value (it may be a key).

    Args:
        error: A `jsonschema.ValidationError` of the configuration.
    """
    path = ".".join(str(part) for part in error.absolute_path)
    if error.validator == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        return " ".join(f"Setting '{f'{path}.{name}' if path else name}' is missing." for name in missing)
    if error.validator == "type":
        wanted = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
        words = [TYPE_WORDS.get(name, f"a {name}") for name in wanted if name != "null"]
        return f"Setting '{path}' must be {' or '.join(words)}."
    if error.validator == "enum":
        allowed = ", ".join(str(value) for value in error.validator_value if value is not None)
        return f"Setting '{path}' must be one of: {allowed}."
    return f"Setting '{path}' breaks the rule '{error.validator}: {error.validator_value}'."


def silence_stdout() -> None:
    """Point standard output at nothing, so that the interpreter's last flush cannot fail a second time."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)
