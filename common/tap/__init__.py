"""What a tap needs: messages to standard output, and the base of its streams."""

from __future__ import annotations
