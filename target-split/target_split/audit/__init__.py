"""Audits what Split accepted: notes exported events as expected, and what the ledger says of them."""

from __future__ import annotations
