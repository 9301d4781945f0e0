"""Ways in which Amplitude sends data out by itself: webhooks, and files in a bucket or folder."""

from __future__ import annotations
