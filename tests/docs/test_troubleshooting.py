"""Every message that docs/troubleshooting.md quotes is one that a connector has."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
QUOTED = re.findall(r"^\| `(.+?)` \|", PAGE, re.MULTILINE)
FILLED_IN = re.compile(r"(?<!%)%(?:\.\d)?[sdfr]|\{\w*\}")


def text_of(node: ast.AST) -> str | None:
    """A text in the code, with … for what is filled in when it is said."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return FILLED_IN.sub("…", node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else filled_in(part) for part in node.values)
    return None


def filled_in(part: ast.AST) -> str:
    """What stands for a value of an f-string: …, and behind a count the words for several."""
    match part:
        case ast.FormattedValue(value=ast.Call(func=ast.Name(id="counted"), args=[_, ast.Constant(one)])):
            return f"… {one}s"
        case ast.FormattedValue(value=ast.Call(func=ast.Name(id="counted"), args=[_, _, ast.Constant(several)])):
            return f"… {several}"
        case _:
            return "…"


@cache
def texts() -> str:
    """All texts in the code of the four connectors."""
    files = [
        path for folder in ("common", "tap-*/tap_*", "target-*/target_*") for path in ROOT.glob(f"{folder}/**/*.py")
    ]
    assert len(files) > 50
    nodes = [node for path in files for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    return "\n".join(text for node in nodes if (text := text_of(node)))


@pytest.mark.parametrize("message", QUOTED)
def test_a_quoted_message_is_in_the_code(message: str) -> None:
    assert message.removesuffix(" …").removesuffix("…") in texts()


def test_messages_are_quoted() -> None:
    assert len(QUOTED) >= 40
