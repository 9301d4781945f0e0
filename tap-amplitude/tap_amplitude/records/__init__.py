"""What a record holds: fields, values, times. Pure."""

from __future__ import annotations
