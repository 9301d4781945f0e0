"""The command line: `target-amplitude`, or `python -m target_amplitude`."""

from __future__ import annotations

from target_amplitude.common.deferred_imports import deferred_imports
from target_amplitude.common.startup import end_at_interrupt

end_at_interrupt()
with deferred_imports():
    from target_amplitude.target import TargetAmplitude

cli = TargetAmplitude.cli

if __name__ == "__main__":
    cli()
