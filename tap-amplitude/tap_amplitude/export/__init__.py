"""From hours of exported events to Singer records."""

from __future__ import annotations
