"""Amplitude's ingestion APIs: limits, endpoints, the client, and what each answer means."""

from __future__ import annotations
