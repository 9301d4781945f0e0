"""Singer target for Amplitude: events, exposures and user properties.

The way of a record, and the modules that decide each step:

* settings, the command line, how the parts are put together: `settings`, `hosts`, `target`, `command`,
  `send_test_event`, `dry_run`
* Singer messages in, STATE out: `streaming`, `reader`, `validation`, `delivery`, `rejects`, `summary`
* what a stream's records become, worked out once: `stream_plan`, from `mapping`, `paths` and `selection`
* a record becomes an event or identifications: `sinks`, `events`, `identifications`, `impressions`, `ids_and_time`,
  `times`
* within Amplitude's limits: `limits`, `event_keys`
* never twice: `insert_ids`, `merging` (a user's changes become one), `memory`
* requests: `dispatch` (which lane, and when), `packing` (how much), `routes` (where to, and how it looks)
* answers: `sender` (tries again, holds back, halves), `asking` (what all senders share, waits among it), `reactions`
  (what to do about each), `client` (HTTP)
"""

from __future__ import annotations
