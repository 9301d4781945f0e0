"""A campaign of seeded random runs: faults, kills, resumption - then both sides are compared, record by record."""

from __future__ import annotations
