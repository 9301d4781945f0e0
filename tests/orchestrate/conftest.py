"""What the tests of the DAGs share."""

from __future__ import annotations

import sys
from pathlib import Path

# Airflow puts the folder of the DAGs on the path, too.
sys.path.insert(0, str(Path(__file__).parents[2] / "orchestrate" / "dags"))
