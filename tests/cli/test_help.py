"""Help reads well, completion is taken by bash, and neither costs what it does not need."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from imgstore.cli.app import GROUPS
from tests.cli.support import ONE_BY_ONE, Shop
from tests.support.packages import install

HEAVY = {"oslo_config", "rich", "cmd2", "yaml", "falcon", "imgstore.config", "imgstore.cli.commands.put"}
COMMANDS = [name for commands in GROUPS.values() for name in commands]


def test_no_command_prints_the_help_and_is_no_interactive_mode(shop: Shop) -> None:
    bare = shop.run(stdin=b"put image\n")
    assert (bare.status, bare.err) == (0, "")
    assert bare.out == shop.run("--help").out == shop.run("help").out == shop.run("-q").out == shop.run("help").out
    text = bare.out.decode()
    assert re.findall(r"(?m)^(\w+):$", text) == list(GROUPS)
    assert re.findall(r"(?m)^  ([a-z][a-z-]*)  +[a-z]", text) == COMMANDS
    assert max(map(len, text.splitlines())) <= 110


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_a_page_with_an_example(shop: Shop, name: str) -> None:
    page = shop.run("help", name, environ={"COLUMNS": "100"})
    assert (page.status, page.err) == (0, "")
    text = page.out.decode()
    line = next(commands[name][1] for commands in GROUPS.values() if name in commands)
    assert re.match(rf"usage: imgstore {name} .*\n\n{line[0].upper()}{re.escape(line[1:])}\.\n", text)
    assert f"  {'source <(' if name == 'complete' else ''}imgstore {name}" in text.partition("examples:")[2]
    assert len(text.splitlines()) <= 50
    assert "--noindent" not in text


def test_a_page_is_asked_for_in_three_ways(shop: Shop) -> None:
    assert shop.run("help", "db").out == shop.run("db", "--help").out == shop.run("-h", "db").out


def test_finer_options_of_cliff_work_though_the_help_is_silent(shop: Shop) -> None:
    assert shop.run("stores", "-f", "json", "--noindent").out.count(b"\n") == 1
    shop.run("put", "-", "b", stdin=b"1")
    shop.run("put", "-", "a", stdin=b"22")
    assert shop.run("ls", "-f", "value", "-c", "key", "--sort-column", "size").out == b"b\na\n"


def test_version_of_the_command_and_of_the_module(shop: Shop) -> None:
    told = shop.run("--version").out
    assert re.fullmatch(rb"imgstore \d+\.\d+\S*\n", told)
    module = [sys.executable, "-m", "imgstore", "--version"]
    assert subprocess.run(module, capture_output=True, env=shop.environ, check=False).stdout == told


def test_the_package_of_the_other_project_is_told_in_one_line(shop: Shop) -> None:
    install(shop.site, "imgstore")
    told = shop.run("--version").err
    assert told.startswith("imgstore: warning: Another project's package, imgstore 1.0, overwrites files of imgstore-")
    assert told.count("\n") == 1
    assert shop.run("-q", "--version").err == ""


def test_what_does_not_touch_a_store_imports_no_configuration_and_no_bar(shop: Shop) -> None:
    commands = [["--version"], ["--help"], ["help"], ["nonsense"]]
    code = f"{ONE_BY_ONE}\nprint('loaded:', *{HEAVY!r} & set(sys.modules))"
    command = [sys.executable, "-c", code, json.dumps(commands)]
    done = subprocess.run(command, capture_output=True, env=shop.environ, text=True, check=False)
    assert done.stdout.splitlines()[-1].endswith("loaded:")


def test_bash_takes_the_completion_and_completes(shop: Shop) -> None:
    made = shop.run("complete")
    assert (made.status, made.err) == (0, "")
    stand_in = """
_get_comp_words_by_ref() { words=("${COMP_WORDS[@]}"); cur="${COMP_WORDS[COMP_CWORD]}"; }
try() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _imgstore; echo "${COMPREPLY[@]}"; }
"""
    tries = "try imgstore p\ntry imgstore put --s\ntry imgstore purge --dr\n"
    done = shop.shell(f"source <(imgstore complete)\n{stand_in}\n{tries}")
    assert (done.out.splitlines(), done.err) == ([b"purge put", b"--size", b"--dry-run"], "")
    assert subprocess.run(["bash", "-n"], input=made.out, check=False).returncode == 0
