"""What can be wrong around one start of a pipeline: settings, files and variables that a person or a machine broke.

The next start is in order again, and must find nothing lost and nothing taken for delivered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

Settings = dict[str, Any]
NOTHING: Mapping[str, str] = MappingProxyType({})
MISSPELLED = "nowhere"
# Requests take all of these for a proxy; on this machine nothing listens at port 9.
PROXIES = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


@dataclass(frozen=True)
class Mishap:
    """Something wrong around one start.

    Attributes:
        name: What it is called in the report.
        must_fail: Whether the start must not end well, if there is anything to deliver.
        variables: Of the environment.
        change: Changes the settings of tap and target, and makes files in the run's folder.
    """

    name: str
    must_fail: bool
    variables: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    change: Callable[[Settings, Settings, Path], None] = lambda *_: None


def proxy(url: str) -> Mapping[str, str]:
    """Return variables that send all requests through a proxy."""
    return dict.fromkeys(PROXIES, url) | {"no_proxy": "", "NO_PROXY": ""}


def change_keys(by: Callable[[str], str]) -> Callable[[Settings, Settings, Path], None]:
    """Return what changes every key of both connectors."""

    def change(tap: Settings, target: Settings, _: Path) -> None:
        for settings in (tap, target):
            settings.update({name: by(value) for name, value in settings.items() if name.endswith("_key")})

    return change


def misspell_key(_: Settings, target: Settings, __: Path) -> None:
    """Let the target look for the key of records where none is."""
    if "api_key" in target:
        target["mappings"] = {"impressions": {"user_id": MISSPELLED}, "events": {"user_id": MISSPELLED}}
    else:
        target["key"] = [MISSPELLED]


def link_rejects(_: Settings, target: Settings, folder: Path) -> None:
    """Let the file of rejects be a link to a file of something else."""
    other, link = folder / "other.txt", folder / "link.jsonl"
    other.write_text("not ours", encoding="utf-8")
    link.unlink(missing_ok=True)
    link.symlink_to(other)
    target["rejects_path"] = str(link)


def write_netrc(_: Settings, __: Settings, folder: Path) -> None:
    """Write a login for this machine where programs look for one."""
    (folder / ".netrc").write_text("machine 127.0.0.1 login someone password planted-secret\n", encoding="utf-8")


def misspell_format(tap: Settings, _: Settings, __: Path) -> None:
    """Name a format of batch files that nobody knows."""
    tap["batch_config"]["encoding"]["format"] = "jsnol"


def misplace_batches(tap: Settings, _: Settings, folder: Path) -> None:
    """Let a file be where the folder of the batch files is to be."""
    file = folder / "not-a-folder"
    file.write_text("not ours", encoding="utf-8")
    tap["batch_config"]["storage"]["root"] = (file / "batches").as_uri()


MISHAPS = (
    Mishap("proxy whose URL is malformed", True, proxy("http://[half:an:address")),
    Mishap("SOCKS proxy without its library", True, proxy("socks5://127.0.0.1:9")),
    Mishap("proxy that does not listen", True, proxy("http://127.0.0.1:9")),
    Mishap("keys that end in a line feed", False, change=change_keys(lambda key: f" {key}\n")),
    Mishap("keys that no header can hold", True, change=change_keys(lambda key: f"{key}\u2013")),
    Mishap("misspelled path of the key", True, change=misspell_key),
    Mishap("rejects are a link", True, change=link_rejects),
    Mishap("login in .netrc", False, {"HOME": "FOLDER", "NETRC": "FOLDER/.netrc"}, write_netrc),
)
BATCH_MISHAPS = (
    Mishap("misspelled format of batch files", True, change=misspell_format),
    Mishap("batch files that cannot be written", True, change=misplace_batches),
)
