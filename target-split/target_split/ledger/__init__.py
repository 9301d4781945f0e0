"""Remembers which events Split accepted, in a file or in PostgreSQL: what makes an id, who writes, who reads."""

from __future__ import annotations
