"""Help reads well, completion is taken by bash, and neither costs what it does not need."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from imgstore.cli.app import GROUPS, ImgstoreApp
from tests.cli.support import PROGRAM, Shop

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
    assert page.out == shop.run(name, "--help", environ={"COLUMNS": "100"}).out
    text = page.out.decode()
    assert text.startswith(f"usage: imgstore {name} ")
    assert f"  {'source <(' if name == 'complete' else ''}imgstore {name}" in text.partition("examples:")[2]
    assert len(text.splitlines()) <= 50
    assert "--noindent" not in text


def test_the_help_of_a_command_does_not_wait_for_its_arguments(shop: Shop) -> None:
    assert shop.run("put", "-h").out == shop.run("-h", "put").out == shop.run("help", "put").out


@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_in_the_list_is_the_head_of_the_page(name: str) -> None:
    line = next(commands[name][1] for commands in GROUPS.values() if name in commands)
    first = ImgstoreApp().command(name).get_description().splitlines()[0]
    assert first == f"{line[0].upper()}{line[1:]}."


def test_finer_options_of_cliff_work_though_the_help_is_silent(shop: Shop) -> None:
    assert shop.run("stores", "-f", "json", "--noindent").out.count(b"\n") == 1
    shop.run("put", "-", "b", stdin=b"1")
    shop.run("put", "-", "a", stdin=b"22")
    assert shop.run("ls", "-f", "value", "-c", "key", "--sort-column", "size").out == b"b\na\n"


def test_version(shop: Shop) -> None:
    assert re.fullmatch(rb"imgstore \d+\.\d+\S*\n", shop.run("--version").out)


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["help"], ["nonsense"]])
def test_what_does_not_touch_a_store_imports_no_configuration_and_no_bar(shop: Shop, arguments: list[str]) -> None:
    code = f"""
import sys
from imgstore.cli.main import main
main({arguments!r})
print("loaded:", *{HEAVY!r} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=shop.environ, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "loaded:"


def test_bash_takes_the_completion_and_completes(shop: Shop) -> None:
    made = shop.run("complete")
    assert (made.status, made.err) == (0, "")
    stand_in = """
_get_comp_words_by_ref() { words=("${COMP_WORDS[@]}"); cur="${COMP_WORDS[COMP_CWORD]}"; }
try() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _imgstore; echo "${COMPREPLY[@]}"; }
"""
    tries = "try imgstore p\ntry imgstore put --s\ntry imgstore purge --dr\n"
    script = f"source <({PROGRAM} complete)\n{stand_in}\n{tries}"
    done = subprocess.run(
        ["bash", "--norc", "-c", script], capture_output=True, text=True, env=shop.environ, check=False
    )
    assert (done.stdout.splitlines(), done.stderr) == (["purge put", "--size", "--dry-run"], "")
    assert subprocess.run(["bash", "-n"], input=made.out, check=False).returncode == 0
