"""The four plugins' definitions for MeltanoHub, from their `--about`.

The repository's address is not known here; whoever publishes adds `repo` and turns the local `pip_url` into that of the
released package.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tools.settings import PLUGINS, ROOT, capabilities, meltano_setting

LABELS = {
    "tap-split-impressions": ("Split Impressions", "https://www.split.io"),
    "tap-amplitude": ("Amplitude", "https://amplitude.com"),
    "target-amplitude": ("Amplitude", "https://amplitude.com"),
    "target-split": ("Split (Harness FME)", "https://www.split.io"),
}


def definition(plugin: str, group: str, said: dict[str, Any]) -> dict[str, Any]:
    """Return a plugin's definition in the shape of MeltanoHub's plugin files."""
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
        "settings": [
            meltano_setting(name, setting, required=name in schema.get("required", ()))
            for name, setting in schema["properties"].items()
        ],
    }


def wanted_files(abouts: dict[str, dict[str, Any]]) -> dict[Path, str]:
    """Return every definition's file, with the text it must have."""
    yaml = YAML()
    yaml.width = 120
    yaml.indent(mapping=2, sequence=2, offset=0)
    files = {}
    for group, plugins in PLUGINS.items():
        for plugin in plugins:
            output = io.StringIO()
            yaml.dump(definition(plugin, group, abouts[plugin]), output)
            files[ROOT / "docs" / "hub" / group / f"{plugin}.yml"] = output.getvalue()
    return files
