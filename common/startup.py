"""What a connector does before all else."""

from __future__ import annotations

import signal


def end_at_interrupt() -> None:
    """Let an interrupt end the process without a traceback, until the connector handles signals itself.

    As a termination does: nothing was read or sent yet. An interrupt that the shell ignores stays ignored.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
