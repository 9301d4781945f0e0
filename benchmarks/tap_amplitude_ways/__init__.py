"""The programs that the benchmarks of tap-amplitude run."""

from __future__ import annotations
