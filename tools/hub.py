"""The four plugins' definitions for MeltanoHub, from their `--about`.

The repository's address is not known here; whoever publishes adds `repo` and turns the local `pip_url` into that of the
released package.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tools.settings import PLUGINS, ROOT, capabilities, meltano_settings, yaml_text

LABELS = {
    "tap-split-impressions": ("Split Impressions", "https://www.split.io"),
    "tap-amplitude": ("Amplitude", "https://amplitude.com"),
    "target-amplitude": ("Amplitude", "https://amplitude.com"),
    "target-split": ("Split (Harness FME)", "https://www.split.io"),
}


def definition(plugin: str, group: str, said: dict[str, Any]) -> dict[str, Any]:
    label, domain = LABELS[plugin]
    schema = said["settings"]
    return {
        "name": plugin,
        "variant": "split-amplitude",
        "label": label,
        "description": " ".join(str(said["description"]).split("\n\n")[0].split()),
        "domain_url": domain,
        "namespace": plugin.replace("-", "_"),
        "executable": plugin,
        "pip_url": f"./{plugin}",
        "keywords": ["meltano_sdk"],
        "capabilities": capabilities(said, group),
        "settings_group_validation": [sorted(schema["required"])] if schema.get("required") else [],
        "settings": meltano_settings(schema),
    }


def wanted_files(abouts: dict[str, dict[str, Any]]) -> dict[Path, str]:
    return {
        ROOT / "docs" / "hub" / group / f"{plugin}.yml": yaml_text(definition(plugin, group, abouts[plugin]))
        for group, plugins in PLUGINS.items()
        for plugin in plugins
    }
