"""`python -m releasenotes.changelog` writes CHANGELOG.md from the notes.

The notes are those of reno, one file for each matter that users see. A note's name begins with its release, so that
neither Git nor reno is needed here. The text is plain enough to be reStructuredText and Markdown at once.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

HERE = Path(__file__).parent
TITLES = {
    "features": "Added", "upgrade": "Changed", "deprecations": "Deprecated", "fixes": "Fixed", "security": "Security",
    "issues": "Known issues",
}  # fmt: skip
"""What Keep a Changelog calls reno's sections."""
HEAD = """# Changelog

Changes that users see, in the form of [Keep a Changelog](https://keepachangelog.com/en/1.1.0/). Versions follow
[Semantic Versioning](https://semver.org/). This file is made from `releasenotes/notes` (`make changelog`).
"""
NAME = re.compile(r"(?P<release>\d+\.\d+\.\d+)-[a-z0-9-]+-[0-9a-f]{16}\.yaml")
Notes = list[Mapping[str, object]]


def texts(value: object) -> list[str]:
    """The entries of a note's section."""
    return [str(each) for each in value] if isinstance(value, list) else [str(value)] if value else []


def notes() -> dict[str, Notes]:
    """The notes of each release, the newest first."""
    found: dict[str, Notes] = {}
    for path in sorted((HERE / "notes").iterdir()):
        found.setdefault(_release(path.name), []).append(yaml.safe_load(path.read_text()))
    return dict(sorted(found.items(), key=lambda each: [*map(int, each[0].split("."))], reverse=True))


def changelog() -> str:
    """The whole file."""
    return "\n".join([HEAD, *(line for release, found in notes().items() for line in _section(release, found))])


def _release(name: str) -> str:
    if not (named := NAME.fullmatch(name)):
        raise ValueError(f"releasenotes/notes/{name}: a note is called RELEASE-MATTER-SIXTEEN_HEX_DIGITS.yaml")
    return named["release"]


def _section(release: str, found: Notes) -> Iterator[str]:
    yield f"## {release}\n"
    yield from (_filled(text) + "\n" for note in found for text in texts(note.get("prelude")))
    for key, title in TITLES.items():
        if items := [text for note in found for text in texts(note.get(key))]:
            yield f"### {title}\n"
            yield from (_filled(item, bullet="- ") for item in items)
            yield ""


def _filled(text: str, *, bullet: str = "") -> str:
    plain = " ".join(text.replace("``", "`").split())
    wrapper = textwrap.TextWrapper(120, bullet, " " * len(bullet), break_long_words=False, break_on_hyphens=False)
    return wrapper.fill(plain)


if __name__ == "__main__":
    (HERE.parent / "CHANGELOG.md").write_text(changelog())
