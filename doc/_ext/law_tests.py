"""`{law-tests}`: each law of `doc/design.md`, and the tests that show it, read from the source.

A driver's contract shows a law by all tests of a module. Of the project's own tests those count that call the law by
its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

LAW = re.compile(r"^\| ([a-z ]+) \| ([^|]*) \| (`(?:imgstore|tests)/[^|]*) \|$", re.MULTILINE)
TEST = re.compile(r"^ *(?:async )?def (test_\w+)", re.MULTILINE)


class LawTests(SphinxDirective):
    """A section for each law."""

    def run(self) -> list[nodes.Node]:
        root = Path(self.env.srcdir).parent
        for file in [root / "doc" / "design.md", *_own(root), *(root / "imgstore" / "testing").glob("*.py")]:
            self.env.note_dependency(str(file))
        text = "\n".join(_sections(root))
        return self.parse_text_to_nodes(text, allow_section_headings=True)


def _sections(root: Path) -> Iterator[str]:
    own = list(_tests(root, _own(root)))
    for name, promise, places in LAW.findall((root / "doc" / "design.md").read_text()):
        contract = [root / path for path in re.findall(r"`(imgstore/testing/[^`]*)`", places)]
        yield f"## {name[0].upper()}{name[1:]}\n\n{promise}\n"
        yield from _listed("Of every driver, by the contract:", name, _tests(root, contract))
        called = name.replace(" ", "_")
        yield from _listed("Of the library, by this name:", name, (each for each in own if called in each[0]))
        yield f"All are in {places}.\n"


def _own(root: Path) -> list[Path]:
    """The project's own tests."""
    return sorted((root / "tests").rglob("test_*.py"))


def _listed(title: str, law: str, tests: Iterable[tuple[str, str]]) -> Iterator[str]:
    """A line for each file, with what its tests show."""
    shown: dict[str, list[str]] = {}
    for name, path in tests:
        shown.setdefault(path, []).append(name.removeprefix("test_").replace("_", " ").removeprefix(f"{law} "))
    if shown:
        lines = [f"- `{path}`: {'; '.join(names)}" for path, names in shown.items()]
        yield "\n".join([f"**{title}**\n", *lines, ""])


def _tests(root: Path, files: list[Path]) -> Iterator[tuple[str, str]]:
    """The tests of these files: name and path."""
    for file in files:
        for name in TEST.findall(file.read_text()):
            yield name, file.relative_to(root).as_posix()


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("law-tests", LawTests)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
