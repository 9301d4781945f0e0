"""From records to posted events, with the ledger that prevents duplicates."""

from __future__ import annotations
