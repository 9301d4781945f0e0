"""Singer target for Amplitude: events, exposures and user properties.

* `target`, `settings`: what the user sets, and how the parts are put together
* `sinks`: a record becomes an event or identifications, or is counted
* `delivery/`: payloads become batches, batches become requests, answers decide what happens next
* `payloads/`: what a record of each kind of stream becomes
* `mapping/`: the grammar of `mappings`
* `api/`: Amplitude's limits, endpoints, and what each of its answers means
* `audit/`: what should have arrived against what did
* `common/`: what any connector needs
"""

from __future__ import annotations
