"""Speed and memory, as ratios within one run on one machine. `make bench` runs all of it."""

from __future__ import annotations
