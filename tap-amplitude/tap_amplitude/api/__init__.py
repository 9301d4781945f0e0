"""Amplitude's read APIs: the client, its errors, and the formats it answers in."""

from __future__ import annotations
