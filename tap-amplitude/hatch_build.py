"""Vendors the repository's `common/` into this package, because pip cannot resolve an unpublished sibling.

The same file stands in each connector, since a build sees only its own project; a test holds the copies equal.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class VendorCommon(BuildHookInterface):  # type: ignore[type-arg]
    """Adds `common/` and its `folders` (from pyproject.toml) to `package` as `PACKAGE/common`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Link `common/` for an editable install; add its files to a wheel or an sdist.

        Args:
            version: `editable`, or `standard` for a wheel or an sdist.
            build_data: What hatchling builds, extended here.
        """
        source = Path(self.root).parent / "common"
        vendored = Path(self.root) / self.config["package"] / "common"
        if version == "editable" and source.is_dir():
            if not vendored.exists():
                vendored.symlink_to(Path("..", "..", "common"), target_is_directory=True)
            return
        # In an sdist, or beside an editable install, the files are below the project already, where force_include
        # would add them a second time.
        present = vendored.exists()
        root = vendored if present else source
        for folder in ("", *self.config["folders"]):
            for file in sorted((root / folder).glob("*.py")):
                target = f"{self.config['package']}/common/{file.relative_to(root).as_posix()}"
                if present:
                    build_data["artifacts"].append(f"/{target}")
                else:
                    build_data["force_include"][str(file)] = target
