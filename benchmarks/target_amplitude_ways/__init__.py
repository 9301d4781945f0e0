"""The programs that the benchmarks of target-amplitude run."""

from __future__ import annotations
