"""Split's APIs: limits, clients, and what each answer means."""

from __future__ import annotations
