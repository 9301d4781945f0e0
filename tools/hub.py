"""`python -m tools.hub`: write the four plugins' MeltanoHub definitions under docs/hub/ from their `--about`.

`--check` changes nothing and fails when a definition does not agree. The repository's address is not known here;
whoever publishes adds `repo` and turns the local `pip_url` into that of the released package.
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tools.settings import PLUGINS, ROOT, about, capabilities, meltano_setting

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


def wanted_files() -> dict[Path, str]:
    """Return every definition's file, with the text it must have."""
    yaml = YAML()
    yaml.width = 120
    yaml.indent(mapping=2, sequence=2, offset=0)
    files = {}
    for group, plugins in PLUGINS.items():
        for plugin in plugins:
            output = io.StringIO()
            yaml.dump(definition(plugin, group, about(plugin)), output)
            files[ROOT / "docs" / "hub" / group / f"{plugin}.yml"] = output.getvalue()
    return files


def main() -> None:
    """Write the definitions, or check them."""
    parser = argparse.ArgumentParser(prog="python -m tools.hub", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail when a definition does not agree")
    check = parser.parse_args().check
    for path, text in wanted_files().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            if check:
                sys.exit(f"{path.relative_to(ROOT)} does not agree with --about. Run: make settings")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
