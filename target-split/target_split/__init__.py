"""Singer target for Split (Harness FME): events for metrics, cohorts as segments.

The way of a record, and the modules that decide each step:

* settings, the command line, how the parts are put together: `settings`, `checks`, `hosts`, `target`, `command`
* Singer messages in, STATE out: `streaming`, `reader`, `validation`, `delivery`, `rejects`, `summary`
* what a stream becomes: `streams`, from `mapping` and `paths`; its records go through `sinks`
* a record becomes an event: `converter`, `events`, `properties`, `names`, `times`, within Split's `limits`
* batch files, read on all processors: `batch_files`, `batch_worker`, `lean`
* never twice: `ids`, `ledger`, `ledger_file`
* requests with events, and what follows from each answer: `packing`, `posting`; `rehearsal` instead in a dry run
* lists of members become segments: `loading` (when), `segments` (what changes, and what never), `templates` (names),
  `admin` (the calls), `place` (workspace and environment)
* all HTTP: `client`
"""

from __future__ import annotations
