"""What the DAGs share: the Meltano project as it is, ranges of time in windows, and the commands that tasks run."""

from __future__ import annotations
