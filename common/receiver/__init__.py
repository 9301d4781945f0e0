"""An HTTP receiver that answers 200 only for what is durable: bodies in, files of JSON lines out."""

from __future__ import annotations
