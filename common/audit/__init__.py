"""Audits of what a target delivered: what was expected and what arrived in one file, and a report of the difference."""

from __future__ import annotations
