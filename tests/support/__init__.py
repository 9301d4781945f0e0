"""What the tests share: real processes, the sandbox over real HTTP, files in a temporary folder."""

from __future__ import annotations
