"""`python -m faults.report FILE…`: make the tables of docs/faults.md from the campaign's reports."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from faults.plans import all_names
from faults.verdicts import Verdict, tables

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
BEGIN, END = "<!-- campaign -->", "<!-- /campaign -->"


def main() -> None:
    verdicts = [
        Verdict(**json.loads(line))
        for path in sys.argv[1:]
        for line in Path(path).read_text(encoding="utf-8").splitlines()
    ]
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    occurred = {name for verdict in verdicts for name in verdict.disturbances}
    if never := all_names() - occurred:
        print("These did not occur in any run: " + ", ".join(sorted(never)))
    PAGE.write_text(f"{before}{BEGIN}\n{tables(verdicts)}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
