"""The programs that the benchmarks of tap-split-impressions run."""

from __future__ import annotations
