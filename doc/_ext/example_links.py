"""What is only an example, such as https://s3.example.org in the help of an option, is no link: it leads nowhere."""

from __future__ import annotations

import re

from docutils import nodes
from sphinx.application import Sphinx

EXAMPLE = re.compile(r"file://|https?://([\w-]+\.)*example\.org\b")


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("doctree-read", _unlink)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _unlink(app: Sphinx, doctree: nodes.document) -> None:
    for link in list(doctree.findall(nodes.reference)):
        if EXAMPLE.match(link.get("refuri", "")):
            link.parent.replace(link, link.children)
