"""A folder of files from Amplitude: raw exports, cohort changes, and what the receiver stored."""

from __future__ import annotations
