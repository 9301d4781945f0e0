"""Keeps the words of the trade: names what of our texts says otherwise, file by file.

    python -m tools.words

Reads code, messages, comments and pages alike, but not this list, nor the changelog, which tells old names.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SUFFIXES = {".py", ".md", ".toml", ".yml", ".yaml", ".cfg", ".html", ".js", ".example"}

# What is not said, and what to say.
WORDS = {
    r"\b(im)?patien(ce|t|tly)\b|patience_": "backoff, deadline, retry_timeout_seconds",
    r"\bunknown fate\b|\bon_unknown\b|\brecords_unknown\b": "ambiguous",
    r"\bunfit\b|\b(not to|cannot) be had\b": "rejected; cannot be read",
    r"\bthinned\b|\bspared\b": "skipped, filtered",
    r"\bshortened\b": "truncated",
    r"\blanes?\b": "worker, partition",
    r"\b(un)?packers?\b": "compress, decompress",
    r"\b(kept?|keeps|put) aside\b": "quarantine",
    r"\bmend(s|ed|ing)?\b": "fix, correct",
    r"(?<!there )\b(is|are) no (JSON|URL|UTF-8|address|number|time|date|text|object|list|zip|finite|valid)": (
        "is not valid …, is not a …"
    ),
    r"\bcannot be m[e]ant\b|\bvouch[e]?s?\b": "is not a …; is not signed by a trusted CA",
    r"\bdoors?\b": "source, route",
    r"\brehears(e|al|als)\b": "dry run",
    r"\bleniency\b": "lenient JSON",
    r"\bpassing (error|failure)s?\b|\bPassingError\b": "retriable, transient",
    r"\bfalls? together\b": "collide",
    r"\bbring in\b": "sync",
    r"\bits likes?\b|\bthe likes\b": "such as",
}
LEFT_OUT = ("tools/words.py", "CHANGELOG.md", "LICENSE", "sandbox/LICENSE")


def texts() -> Iterator[tuple[str, str]]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        if path.suffix in SUFFIXES and name not in LEFT_OUT and path.is_file():
            yield name, path.read_text(encoding="utf-8")


def findings() -> Iterator[str]:
    rules = [(re.compile(pattern, re.IGNORECASE), better) for pattern, better in WORDS.items()]
    for name, text in texts():
        for number, line in enumerate(text.splitlines(), start=1):
            for rule, better in rules:
                if found := rule.search(line):
                    yield f"{name}:{number}: '{found[0]}' - say: {better}"


if __name__ == "__main__":
    lines = list(findings())
    print(*lines, sep="\n")
    sys.exit(bool(lines))
