"""Vendors the repository's `common/` into this package, because pip cannot resolve an unpublished sibling.

The same file stands in each connector, since a build sees only its own project; a test holds the copies equal.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class VendorCommon(BuildHookInterface):  # type: ignore[type-arg]  # its argument is private
    """Adds `common/` and its `folders` (named in pyproject.toml) to `package` as `PACKAGE/common`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Link `common/` for an editable install; add its files to a wheel or an sdist.

        Args:
            version: `editable`, or `standard` for a wheel or an sdist.
            build_data: What hatchling builds, extended here.
        """
        package = self.config["package"]
        source = Path(self.root).parent / "common"
        vendored = Path(self.root) / package / "common"
        if vendored.exists():
            return  # built from an sdist, or beside an editable install: hatchling finds the files by itself
        if version == "editable":
            vendored.symlink_to(Path("..", "..", "common"), target_is_directory=True)
            return
        for folder in ("", *self.config["folders"]):
            for file in sorted((source / folder).glob("*.py")):
                build_data["force_include"][str(file)] = f"{package}/common/{file.relative_to(source).as_posix()}"
