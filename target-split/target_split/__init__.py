"""Singer target for Split (Harness FME): events for metrics, cohorts as segments.

The way of a record: `sinks` takes it, `mapping` says what its stream becomes, `events` makes it an event, checks it
against the `ledger` and sends it in batches; `segments` compares a list of members with Split and changes the
difference. `api` knows Split's limits, calls and responses.
"""

from __future__ import annotations
