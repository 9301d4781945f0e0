"""What a target needs: messages in, records to sinks, STATE out once everything before it is delivered."""

from __future__ import annotations
