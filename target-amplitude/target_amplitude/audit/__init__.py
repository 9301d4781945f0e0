"""Audits what really arrived: notes what should have, and what Amplitude's export holds, and reports the difference."""

from __future__ import annotations
