"""The command line: `target-split`, or `python -m target_split`."""

from __future__ import annotations

from target_split.common.deferred_imports import deferred_imports
from target_split.common.startup import end_at_interrupt

end_at_interrupt()
with deferred_imports():
    from target_split.target import TargetSplit

cli = TargetSplit.cli

if __name__ == "__main__":
    cli()
