"""From payloads to accepted requests: routing, batching, sending."""

from __future__ import annotations
