"""What an impression is: payload shapes, the record, filters. Pure."""

from __future__ import annotations
