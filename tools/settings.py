"""What each connector's `--about` says, as meltano.yml and the READMEs hold it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

ROOT = Path(__file__).parent.parent
PLUGINS = {"extractors": ["tap-split-impressions", "tap-amplitude"], "loaders": ["target-amplitude", "target-split"]}
BEGIN, END = "<!-- settings, from --about -->", "<!-- end of settings -->"

# The SDK's own settings, the same in all connectors; one sentence and a link serve better than a long table.
SDK_PREFIXES = ("flattening_", "faker_config", "batch_config", "stream_map")

# What Meltano itself checks a meltano.yml with.
MELTANO_SCHEMA = Path(str(files("meltano.schemas"))) / "meltano.schema.json"


def about(plugin: str) -> dict[str, Any]:
    command = [str(Path(sys.executable).parent / plugin), "--about", "--format=json"]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(answer.stdout))


def capabilities(said: dict[str, Any], group: str) -> list[str]:
    """Return those of a connector's capabilities that Meltano has a word for; the SDK has some more."""
    schema = json.loads(MELTANO_SCHEMA.read_text(encoding="utf-8"))
    members = (part.get("properties", {}) for part in schema["$defs"]["plugins"][group]["allOf"])
    known = next(member["capabilities"]["items"]["enum"] for member in members if "capabilities" in member)
    return sorted(set(said["capabilities"]).intersection(known))


def meltano_settings(schema: dict[str, Any]) -> list[CommentedMap]:
    required = schema.get("required", ())
    return [meltano_setting(name, one, required=name in required) for name, one in schema["properties"].items()]


def meltano_setting(name: str, schema: dict[str, Any], *, required: bool) -> CommentedMap:
    entry = CommentedMap(name=name, kind=kind_of(schema))
    if schema.get("title"):
        entry["label"] = schema["title"]
    if "default" in schema:
        entry["value"] = schema["default"]
    if schema.get("enum"):
        entry["options"] = [{"label": str(value), "value": value} for value in schema["enum"] if value is not None]
    if schema.get("secret"):
        entry["sensitive"] = True
    if schema.get("description"):
        entry["description"] = schema["description"] + (" (required)" if required else "")
    return entry


def kind_of(schema: dict[str, Any]) -> str:
    """Return Meltano's kind of a setting: a text, for the connectors read texts by type themselves.

    Meltano would turn a blank variable into false, or fail on it as on a number, a list or an object; could pass no
    text where a list or an object is allowed, too; and would drop members of objects that have dots in their names.
    """
    return "date_iso8601" if schema.get("format") in ("date-time", "date") else "string"


def meltano_yml(text: str, abouts: dict[str, dict[str, Any]]) -> str:
    project = YAML().load(text)
    for group, names in PLUGINS.items():
        for plugin in project["plugins"][group]:
            if plugin["name"] in names:
                said = abouts[plugin["name"]]
                plugin["capabilities"] = capabilities(said, group)
                plugin["settings"] = meltano_settings(said["settings"])
    return yaml_text(project)


def yaml_text(content: Any) -> str:
    yaml = YAML()
    yaml.width = 120
    yaml.indent(mapping=2, sequence=2, offset=0)
    output = io.StringIO()
    yaml.dump(content, output)
    return output.getvalue()


def readme(text: str, schema: dict[str, Any]) -> str:
    """Return a README with its table of settings replaced.

    Raises:
        SystemExit: It has no place for the table.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"A README needs the lines {BEGIN} and {END} around its table of settings.")
    rows = [
        f"| `{name}` | {default_cell(setting, required=name in schema.get('required', ()))} | {description(setting)} |"
        for name, setting in schema["properties"].items()
        if not name.startswith(SDK_PREFIXES)
    ]
    table = "\n".join(["| setting | default | what it does |", "| --- | --- | --- |", *rows])
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


def default_cell(schema: dict[str, Any], *, required: bool) -> str:
    if required:
        return "**required**"
    return f"`{json.dumps(schema['default'], ensure_ascii=False)}`" if schema.get("default") is not None else ""


def description(schema: dict[str, Any]) -> str:
    text = str(schema.get("description", "")).replace("|", "\\|").replace("\n", " ")
    options = [f"`{value}`" for value in schema.get("enum", ()) if value is not None]
    return f"{text} One of {', '.join(options)}." if options else text


def wanted_files(abouts: dict[str, dict[str, Any]]) -> dict[Path, str]:
    found = {ROOT / "meltano.yml": meltano_yml((ROOT / "meltano.yml").read_text(encoding="utf-8"), abouts)}
    for name, said in abouts.items():
        path = ROOT / name / "README.md"
        found[path] = readme(path.read_text(encoding="utf-8"), said["settings"])
    return found
