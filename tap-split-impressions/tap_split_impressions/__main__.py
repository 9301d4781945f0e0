"""The command line: `tap-split-impressions`, or `python -m tap_split_impressions`."""

from __future__ import annotations

from tap_split_impressions.common.deferred_imports import deferred_imports
from tap_split_impressions.common.startup import end_at_interrupt

end_at_interrupt()
with deferred_imports():
    from tap_split_impressions.tap import TapSplitImpressions

cli = TapSplitImpressions.cli

if __name__ == "__main__":
    cli()
