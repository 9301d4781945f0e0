"""From a record to an event or an identification. Pure."""

from __future__ import annotations
