"""Markdown that reads well on a code host, and is a page of the site as well.

What is for the site alone stands in a comment, which a code host does not show:

    <!-- sphinx
    ```{toctree}
    a-page
    ```
    -->

`<!-- page: ../CHANGELOG.md -->` makes a page of a file of the repository. In a toctree, `*the rest*` stands for every
page that no toctree of the same file names: so a new page is found without being named. A picture of `pictures/` gets
into the page itself, where it has the colours of the theme, light or dark.
"""

from __future__ import annotations

import os.path
import re
from pathlib import Path, PurePosixPath

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

HIDDEN = re.compile(r"<!-- sphinx\n(.*?)-->", re.DOTALL)
PAGE = re.compile(r"<!-- page: (\S+) -->")
PICTURE = re.compile(r"^!\[([^\]]*)\]\((pictures/[^)]*\.svg)\)$", re.MULTILINE)
CODE_HOST = re.compile(r"^\*On a code host this page ends here.*?\*$\n", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(\]\()([^)#:\s]+)(#[^)]*)?(\))")
REST = "*the rest*"
DOCUMENTED = {"README.md": "index.md", "CHANGELOG.md": "changelog.md", "SECURITY.md": "security.md"}
DOCUMENTED |= {"CONTRIBUTING.md": "contributing.md"}
"""Files of the repository that are pages, and these."""
LISTED = "examples"
"""Folders below it are sections of the page of the same name."""


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("source-read", _read)
    app.add_lexer("haproxy", TextLexer)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _read(app: Sphinx, page: str, source: list[str]) -> None:
    text, folder = source[0], PurePosixPath("doc", page).parent
    if found := PAGE.search(text):
        path = _normal(folder / found[1])
        text, folder = _file(app, path), path.parent
    if HIDDEN.search(text):
        for extension in Path(__file__).parent.glob("*.py"):
            app.env.note_dependency(str(extension))
    text = HIDDEN.sub(r"\1", CODE_HOST.sub("", text))
    text = LINK.sub(lambda link: _link(link, folder, PurePosixPath("doc", page).parent), text)
    text = PICTURE.sub(lambda picture: _picture(app, picture[1], folder / picture[2]), text)
    if "show-options" in text:
        for file in (Path(app.srcdir).parent / "imgstore").rglob("*options*.py"):
            app.env.note_dependency(str(file))
    if REST in text:
        app.env.note_reread()  # at the next build there may be other pages
        text = text.replace(REST, "\n".join(_rest(app, text)))
    source[0] = text


def _file(app: Sphinx, path: PurePosixPath) -> str:
    """Of the repository; the page is made anew when it changes."""
    file = Path(app.srcdir).parent / path
    app.env.note_dependency(str(file))
    return file.read_text()


def _link(link: re.Match[str], folder: PurePosixPath, of_page: PurePosixPath) -> str:
    """Leads to the page of a file, where it is one."""
    opening, path, heading, closing = link.groups(default="")
    target = _normal(folder / path)
    if str(target) in DOCUMENTED:
        target = PurePosixPath("doc", DOCUMENTED[str(target)])
    elif target.parts[:1] == (LISTED,) and not target.suffix:
        target, heading = PurePosixPath("doc", f"{LISTED}.md"), f"#{target.name}"
    return f"{opening}{os.path.relpath(target, of_page)}{heading}{closing}"


def _normal(path: PurePosixPath) -> PurePosixPath:
    return PurePosixPath(os.path.normpath(path))


def _picture(app: Sphinx, description: str, path: PurePosixPath) -> str:
    drawing = re.sub(r"\n\s*\n", "\n", _file(app, path))
    figure = f'<figure class="picture" role="img" aria-label="{description}">\n{drawing}</figure>'
    return f"```{{raw}} html\n{figure}\n```"


def _rest(app: Sphinx, text: str) -> list[str]:
    """The pages that the toctrees of `text` do not name, those of folders with an index of their own left out."""
    trees = re.findall(r"```\{toctree\}(.*?)```", text, re.DOTALL)
    named = {line.strip() for tree in trees for line in tree.splitlines()} | {app.config.root_doc}
    if REST not in named:
        raise ExtensionError(f"{REST} is for a toctree.")
    pages = app.env.found_docs
    return sorted(page for page in pages - named if "/" not in page or f"{page.rpartition('/')[0]}/index" not in pages)
