"""The mapping grammar: configuration made into functions. Pure."""

from __future__ import annotations
