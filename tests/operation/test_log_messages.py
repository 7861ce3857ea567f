"""doc/operations/log-messages.md has each warning and error that the service may log, and no other.

A message is known by the words of its format up to the first colon, semicolon or full stop behind three words; what is
filled in is "...". What a command line tells is told to whoever reads it, and is not looked at.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "doc" / "operations" / "log-messages.md").read_text()
TELLING = {"warning": 0, "error": 0, "exception": 0, "critical": 0, "warn_once": 1}
"""Which argument of a call is the message."""
WORDLESS = {"server_traits.py": "what warn_once is called with"}
END = re.compile(r"(?:(?<!\.)\.|[:;]) ")


def modules() -> list[Path]:
    files = (ROOT / "imgstore").rglob("*.py")
    return [file for file in files if not {"cli", "testing"} & set(file.relative_to(ROOT).parts)]


def told(module: Path) -> Iterator[str]:
    """The formats in a module; for one without words, the lines that the module yields."""
    nodes = list(ast.walk(ast.parse(module.read_text())))
    lines = [
        words(each.value) for each in nodes if isinstance(each, ast.Yield) and isinstance(each.value, ast.JoinedStr)
    ]
    for call in nodes:
        if isinstance(call, ast.Call) and (name := _telling(call.func)):
            found = words(call.args[TELLING[name]])
            yield from [found] if found.strip(". ") else lines or [""]


def _telling(function: ast.expr) -> str:
    """The name of `LOG.warning` and the like, and of anybody's `warn_once`; else nothing."""
    if not isinstance(function, ast.Attribute) or function.attr not in TELLING:
        return ""
    return function.attr if function.attr == "warn_once" or ast.unparse(function.value) == "LOG" else ""


def words(node: ast.expr) -> str:
    """A format, or nothing where it is not one."""
    if isinstance(node, ast.JoinedStr):
        return "".join(words(part) or "..." for part in node.values)
    text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
    return re.sub(r"%(\.\d)?[sdf]", "...", text)


def head(text: str) -> str:
    """The part by which a message is known."""
    ends = [match.start() for match in END.finditer(text)]
    heads = [text[:end] for end in ends if len(re.findall(r"\w+", text[:end])) >= 3]
    return min(heads, key=len, default=re.sub(r"(?<!\.)\.$", "", text.removesuffix(": ...")))


def test_page_has_each_warning_and_error_and_no_other() -> None:
    texts = {(module.name, text) for module in modules() for text in told(module)}
    rows = re.findall(r"(?m)^\| `([^`]+)` \|", PAGE)
    assert sorted(rows) == sorted({head(text) for _, text in texts if text})
    assert {module for module, text in texts if not text} <= set(WORDLESS)


def test_message_is_known_by_its_words() -> None:
    assert head("Image ...: attempt ... by ... died; its lease ran out") == "Image ...: attempt ... by ... died"
    assert head("Could not undo ...: ...") == "Could not undo ..."
