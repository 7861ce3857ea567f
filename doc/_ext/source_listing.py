"""`{source-listing} examples`: a section for each folder of `examples`, and each of its files, as it stands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

KINDS = {".py": "python", ".ini": "ini", ".toml": "toml", ".md": "markdown", ".cfg": "ini"}


class SourceListing(SphinxDirective):
    """Of its argument, a folder."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        root = Path(self.env.srcdir).parent
        return self.parse_text_to_nodes("\n".join(self._lines(root / self.arguments[0])), allow_section_headings=True)

    def _lines(self, folder: Path) -> Iterator[str]:
        for section in sorted({_section(file, folder) for file in _files(folder)}):
            yield f"## {section.name if section != folder else 'Single files'}\n"
            for file in (file for file in _files(folder) if _section(file, folder) == section):
                self.env.note_dependency(str(file))
                yield f"**`{file.relative_to(folder)}`**\n"
                yield f"````{KINDS[file.suffix]}\n{file.read_text()}\n````\n"


def _section(file: Path, folder: Path) -> Path:
    """The folder of `folder` that has the file, at whatever depth."""
    return folder.joinpath(*file.relative_to(folder).parts[:-1][:1])


def _files(folder: Path) -> list[Path]:
    """Those that are read, empty ones left out."""
    found = (file for file in folder.rglob("*") if file.suffix in KINDS and file.stat().st_size)
    return sorted(file for file in found if not {"__pycache__", "build"} & set(file.parts))


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("source-listing", SourceListing)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
