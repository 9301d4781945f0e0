"""The circle on this machine: every pipeline against the sandbox, twice, and both sides compared."""

from __future__ import annotations
