"""`{error-table}`: every error of `imgstore.errors`: its status, its meaning, its code, whose fault it is."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from imgstore import errors

HEADER = "| error | status | meaning |\n|---|---|---|"


class ErrorTable(SphinxDirective):
    """The table, in the order of the module: whoever is at fault, then what went wrong."""

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(inspect.getfile(errors))
        return self.parse_text_to_nodes("\n".join([HEADER, *map(_row, raised())]))


def raised() -> Iterator[type[errors.ImgstoreError]]:
    """The classes of the tree, without its root."""
    for each in vars(errors).values():
        if inspect.isclass(each) and issubclass(each, errors.ImgstoreError) and each is not errors.ImgstoreError:
            yield each


def _row(error: type[errors.ImgstoreError]) -> str:
    meaning = " ".join((error.__doc__ or "").split()).replace("|", "\\|")
    again = " May succeed later." if error.retryable else ""
    facts = f"Code `{error.code}`, blame: {error.blame.value}.{again}"
    return f"| `{error.__name__}` | {error.status} | {meaning} {facts} |"


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("error-table", ErrorTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
