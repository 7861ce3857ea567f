"""Docstrings and signatures for autodoc.

A code block is indented behind a line that ends in a colon, as it is read in the code. A protocol is never called, so
it has no parameters. A default that only exists while the program runs is shown as `...`: Sphinx can read no signature
with `<factory>` in it, and would print its own marks.
"""

from __future__ import annotations

import re

from sphinx.application import Sphinx

AT_RUN_TIME = re.compile(r"<(?:[^<>]|<[^<>]*>)*>")


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", _process)
    app.connect("autodoc-process-signature", _signature)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _process(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    for number, line in enumerate(lines[:-2]):
        if line.endswith(":") and not lines[number + 1] and lines[number + 2].startswith("    "):
            lines[number] += ":"


def _signature(
    app: Sphinx, what: str, name: str, thing: object, options: object, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    if getattr(thing, "_is_protocol", False):
        return "", returns
    return AT_RUN_TIME.sub("...", signature or "") or signature, returns
