"""The receiver: HTTP requests in, durable files out."""

from __future__ import annotations
