"""The command line: `tap-amplitude`, or `python -m tap_amplitude`."""

from __future__ import annotations

from tap_amplitude.common.deferred_imports import deferred_imports
from tap_amplitude.common.startup import end_at_interrupt

end_at_interrupt()
with deferred_imports():
    from tap_amplitude.tap import TapAmplitude

cli = TapAmplitude.cli

if __name__ == "__main__":
    cli()
