"""Checks settings that hold a scheme and a host. Pure.

The same file stands in all four connectors (they share no library); a test holds the copies equal.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

# Names and addresses, IPv6 with its colons.
HOST = re.compile(r"[\w.:-]+", re.ASCII)


def host_problems(setting: str, url: str, example: str) -> list[str]:
    """Return what is wrong with a setting that must be an address without a path, as sentences."""
    if is_host_alone(url):
        return []
    return [f"Setting '{setting}' must be scheme and host alone, for example {example}."]


def is_host_alone(url: str) -> bool:
    """Whether a URL is a scheme and a host, perhaps with a port, and nothing else."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is no port
    except ValueError:
        return False
    is_bare = not (parts.query or parts.fragment or parts.username or parts.path.strip("/"))
    return is_bare and parts.scheme in ("http", "https") and HOST.fullmatch(parts.hostname or "") is not None
