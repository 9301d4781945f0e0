"""Cohorts: the list of them, which of them to read, and the members of one."""

from __future__ import annotations
