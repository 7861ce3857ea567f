"""`imgstore new-driver`."""

from __future__ import annotations

import argparse
import os
import re
import tempfile
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from imgstore import distribution
from imgstore.cli.base import Command
from imgstore.cli.failures import EXISTS, BadUsage, Failure

TEMPLATE = "driver_template"
FILES = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "gitignore": ".gitignore",
    "test.yml": ".github/workflows/test.yml",
    "driver.py": "src/imgstore_driver_@name@/__init__.py",
    "py.typed": "src/imgstore_driver_@name@/py.typed",
    "test_contract.py": "tests/test_contract.py",
}
"""Where each file of the template goes. `@name@` and the like stand for the driver's name, in paths and in texts."""
LONGEST = 40
_NAME = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)


class NewDriver(Command):
    """Make a package with a driver of your own.

    The package, imgstore-driver-NAME in the current directory, has a driver that stores images in a directory and
    passes the contract at once, with its entry point, its options, its tests and a file for CI. Put your storage in its
    place. doc/drivers.md is the guide.

    NAME is what an operator writes into enabled_stores: lower-case letters, digits and _.
    """

    EXAMPLES = """
        imgstore new-driver tape
        cd imgstore-driver-tape && pip install --editable '.[test]' && pytest
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("name", metavar="NAME", help="the driver's name")

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        name = _free_name(parsed_args.name)
        target = Path(f"imgstore-driver-{_dashed(name)}")
        _make(target, _words(name))
        print(
            f"{target} has a driver '{name}'. Install it and run its tests:\n"
            f"  cd {target}\n  pip install --editable '.[test]'\n  pytest",
            file=self.app.stdout,
        )


def _free_name(name: str) -> str:
    """Raises BadUsage for one that cannot be a driver's, or that is another driver's."""
    from imgstore.config.registry import driver_names  # slow to import, and the help needs none of it

    if len(name) > LONGEST or _NAME.fullmatch(name) is None:
        raise BadUsage(
            f"'{name[:64]}' cannot be the name of a driver: it begins with a letter and has lower-case letters, digits "
            f"and _, {LONGEST} at most. {_question(name)}".rstrip()
        )
    if name in driver_names():
        raise BadUsage(f"a driver '{name}' is installed already. Choose another name.")
    return name


def _question(name: str) -> str:
    close = re.sub(r"[^a-z0-9]+", "_", name.lower()).lstrip("_0123456789").rstrip("_")[:LONGEST]
    return f"Did you mean '{close}'?" if close else ""


def _words(name: str) -> Mapping[str, str]:
    """What stands for each placeholder."""
    return {
        "@name@": name,
        "@Name@": "".join(word.capitalize() for word in name.split("_")),
        "@scheme@": _dashed(name),
        "@version@": distribution.version(),
    }


def _dashed(name: str) -> str:
    return name.strip("_").replace("_", "-")


def _make(target: Path, words: Mapping[str, str]) -> None:
    """The whole package or nothing: it is written beside, and then gets its name."""
    if os.path.lexists(target):
        raise Failure(f"'{target}' is there already. Remove it, or choose another name.", status=EXISTS)
    with tempfile.TemporaryDirectory(prefix=f".{target}-", dir=".") as beside:
        package = Path(beside, target)
        for source, place in FILES.items():
            path = package / _filled(place, words)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(_filled(_template(source), words), encoding="utf-8")
        package.rename(target)


def _template(source: str) -> str:
    return (resources.files("imgstore.cli") / TEMPLATE / f"{source}.in").read_text(encoding="utf-8")


def _filled(text: str, words: Mapping[str, str]) -> str:
    for placeholder, word in words.items():
        text = text.replace(placeholder, word)
    return text
