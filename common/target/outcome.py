"""What a run comes to as a whole: a run in which nothing was accepted and something was refused has failed. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ..errors import ConnectorError
from ..words import counted

# What a dry run or an audit skips has served its purpose.
SERVED = ("dry run", "audit")

Counts = Mapping[tuple[str, str], int]


def total(counts: Counts, metric: str) -> int:
    """Return a counter's value over all its reasons."""
    return sum(n for (name, _), n in counts.items() if name == metric)


def accepted(counts: Counts) -> int:
    """Return how many records the service took, now or in an earlier run."""
    taken = total(counts, "records_sent") + total(counts, "records_deduplicated")
    return taken + sum(n for (name, why), n in counts.items() if name == "records_skipped" and why.startswith(SERVED))


def check_accepted(counts: Counts, unintended: Collection[str]) -> str | None:
    """Check that a run had an effect; return a warning when its filters let nothing pass.

    The reasons in `unintended` to skip a record are those that nobody asks for: a column is empty that settings name.

    Raises:
        ConnectorError: Nothing was accepted, and something was refused.
    """
    if accepted(counts):
        return None
    refused = {
        why: n
        for (name, why), n in counts.items()
        if n and (name == "records_rejected" or (name == "records_skipped" and why in unintended))
    }
    if refused:
        again = " and run again" if any(name == "records_skipped" for name, why in counts if why in refused) else ""
        raise ConnectorError(
            f"No record was accepted: {counted(sum(refused.values()), 'was', 'were')} refused, most because of: "
            f"{max(refused, key=refused.__getitem__)}. Fix the cause{again}."
        )
    skipped = total(counts, "records_skipped")
    if not skipped:
        return None
    which = "the only one was" if skipped == 1 else f"all {skipped:,} were"
    return f"No record was sent: {which} skipped. Check the filters."
