"""Files that a connector keeps: regular files that only their owner can read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from .errors import ConnectorError

PRIVATE_MODE = 0o600


def check_private_file(path: Path, setting: str) -> bool:
    """Check a file before it is used, and remove the permissions of others; return whether it exists.

    Args:
        path: Absolute path. Nothing is made.
        setting: Name of the setting that holds the path, for messages.

    Raises:
        ConnectorError: It is a link, a folder or a device, belongs to another user, or its folder does not exist.
    """
    if not path.parent.is_dir():
        raise ConnectorError(f"Setting '{setting}': the folder {path.parent} does not exist.")
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ConnectorError(f"Setting '{setting}': {path} cannot be used: {error.strerror}.") from None
    if stat.S_ISLNK(found.st_mode):
        raise ConnectorError(f"Setting '{setting}': {path} is a symbolic link. Name the file that it leads to.")
    if not stat.S_ISREG(found.st_mode):
        raise ConnectorError(f"Setting '{setting}': {path} is not a file.")
    if found.st_uid != os.geteuid():
        raise ConnectorError(f"Setting '{setting}': {path} belongs to another user. Remove it, or choose another path.")
    if found.st_mode & 0o077:
        path.chmod(PRIVATE_MODE)
    return True
