"""A user's mistake is one line that begins with `imgstore: `, an exit status for scripts, and no trace anywhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imgstore.cli.app import ImgstoreApp
from imgstore.cli.config_files import configuration_files, trusted
from tests.cli.support import Done, Shop

MIB = 1024 * 1024
HOSTILE = (
    "../up", "..", ".hidden", "a/b", "/etc/passwd", "", "a\nb", "a b", "a\x1b[31m", "é", "k" * 201, "a:b:c", "%2e",
)  # fmt: skip


def refused(done: Done, status: int, *words: str) -> None:
    assert done.status == status, done.err
    assert done.out == b""
    assert done.err.startswith("imgstore: ")
    assert done.err.count("\n") == 1
    assert done.err[:-1].isprintable()
    assert [word for word in words if word not in done.err] == []


USAGE = [
    (["puit", "image"], "Did you mean 'put'?"),
    (["p", "image"], "there is no command 'p'"),
    (["put"], "FILE"),
    (["put", "image", "a", "b"], "unrecognized arguments: b"),
    (["put", "--siz", "3", "image"], "unrecognized arguments: --siz"),
    (["put", "image", "--size", "-1"], "--size: '-1'"),
    (["put", "image", "--size", "10G"], "KiB"),
    (["put", "image", "--size", "9" * 5000], "--size"),
    (["put", "image", "fst:a"], "Did you mean 'fast'? There are: fast, slow."),
    (["put", "image", "slow"], "'slow' is a store: write 'slow:'"),
    (["put", "-"], "standard input has no name"),
    (["put", "missing", "key"], "cannot read missing: No such file or directory"),
    (["put", "fast", "key"], "fast is a directory"),
    (["put", "bad name"], "the file's name 'bad name' cannot be a key"),
    (["put", "image", "-c", "colour"], "no column 'colour'; there are: store, key, size, url, sha512, md5."),
    (["put", "image", "-f", "xml"], "invalid choice: 'xml'"),
    (["get", "nope:key"], "no store is 'nope'"),
    (["get", "key", "missing/file"], "cannot write missing/file: No such file or directory"),
    (["get", "key", "pipe"], "pipe is not a regular file"),
    (["get", "key", ""], "FILE is empty"),
    (["url", "key"], "the driver 'filesystem' makes no URLs: fetch it with 'imgstore get fast:key'."),
    (["url", "--for", "8d", "key"], "--for: '8d': a URL is good for 1 second to 7 days"),
    (["ls", "nope"], "no store is 'nope'"),
    (["ls", "-c", "colour"], "there is no column 'colour'"),
    (["ls", "--sort-column", "colour"], "there is no column 'colour'"),
    (["stores", "--timeout", "999999999w"], "--timeout: '999999999w': a duration is ten years at most"),
    (["serve", "--port", "70000"], "--port: '70000': a port is a number from 0 to 65535"),
    (["verify", "key", "--expect", "12"], "cannot be a sha512 in hex"),
    (["verify", "key", "--expect", "crc32:12345678"], "there is no digest algorithm 'crc32'"),
    (["put", "image", "--expect", "md5:12"], "cannot be a md5 in hex"),
    (["put", "image", "--expect", "0" * 128, "--expect", "1" * 128], "two values for sha512"),
    (["purge", "--older-than", "1y"], "--older-than: '1y': a duration"),
    (["rm"], "STORE"),
    (["help", "nope"], "there is no command 'nope'"),
    (["verify", "--expect", "ab"], "--expect is for one object"),
    (["verify", "fast:key", "--digests"], "--digests is for comparing everything"),
    (["verify", "--after", "key"], "--after is for one store"),
    (["usage", "--fix"], "--fix needs --recompute"),
    (["usage", "-c", "nosuch"], "there is no column 'nosuch'"),
    (["db", "downgrade"], "invalid choice: 'downgrade'"),
]


def test_a_bad_command_line_is_2_and_changes_nothing(shop: Shop) -> None:
    shop.file("image", b"content")
    shop.file("bad name", b"content")
    os.mkfifo(shop.root / "pipe")
    (shop.datadir("fast") / "key").write_bytes(b"there")
    before = sorted(path.name for path in shop.root.iterdir())
    for arguments, word in USAGE:
        refused(shop.run(*arguments), 2, word)
    assert sorted(path.name for path in shop.root.iterdir()) == before
    assert (shop.names("fast"), shop.names("slow")) == (["key"], [])


@pytest.mark.server  # it starts none, but runs every command with every key
def test_hostile_keys(shop: Shop) -> None:
    for key in HOSTILE:
        for command in (["put", "-", f"fast:{key}"], ["get", f"fast:{key}", "-"], ["rm", f"fast:{key}"]):
            if key or command[0] != "put":
                refused(shop.run(*command, stdin=b"1"), 2)
    assert shop.names() == []


def test_a_file_in_a_directory_that_is_gone(shop: Shop) -> None:
    (shop.datadir("fast") / "key").touch()
    gone = "mkdir gone; cd gone; rmdir ../gone; exec imgstore --config-file ../imgstore.conf get key"
    refused(shop.shell(gone.replace("..", str(shop.root))), 2, "cannot write ./key: No such file or directory")


def test_an_unreadable_file(shop: Shop) -> None:
    (shop.root / "loop").symlink_to("loop")
    refused(shop.run("put", "loop", "key"), 2, "cannot read loop: ")
    refused(shop.run("put", "/proc/self/mem", "key"), 1, "cannot read /proc/self/mem: Input/output error")
    assert shop.names() == []


def test_standard_input_that_is_closed_is_no_empty_image(shop: Shop) -> None:
    refused(shop.shell("exec imgstore put - key <&-"), 2, "standard input is closed")
    assert shop.names() == []


def test_a_missing_key_is_3_and_an_existing_one_is_4(shop: Shop) -> None:
    for command in ("get key -", "get slow:key", "rm key", "verify key", "copy key slow:"):
        refused(shop.run(*command.split()), 3, "No object has that key.")
    shop.run("put", "-", "key", stdin=b"first")
    refused(shop.run("put", "-", "key", stdin=b"second"), 4, "Store 'fast': An object with that key exists already.")
    refused(shop.run("copy", "key", "fast:"), 4)
    assert shop.run("get", "key", "-").out == b"first"


def test_exact_another_size_than_was_said_leaves_nothing(shop: Shop) -> None:
    shop.file("image", b"12345")
    for size in ("4", "6", "0"):
        refused(shop.run("put", "--size", size, "-", "key", stdin=b"12345"), 1)
        refused(shop.run("put", "--size", size, "image"), 1)
    assert shop.names() == []


def test_exact_max_image_size_holds(shop: Shop) -> None:
    shop.write(max_image_size=4)
    refused(shop.run("put", "-", "key", stdin=b"12345"), 1, "the limit of 4 bytes")
    assert shop.run("put", "-", "key", stdin=b"1234").status == 0


def test_a_full_store_is_5_and_leaves_nothing(shop: Shop) -> None:
    shop.add("small", capacity=MIB)
    refused(shop.run("put", "-", "small:key", stdin=bytes(3 * MIB)), 5, "Store 'small': The capacity is 1048576 bytes")
    shop.write(max_image_size="99999PiB")
    refused(shop.run("put", "--size", "9999PiB", "-", "slow:key", stdin=b"1"), 5, "Store 'slow'", "full")
    assert (shop.names("small"), shop.names("slow")) == ([], [])


def test_a_read_only_or_missing_store_is_5(shop: Shop) -> None:
    shop.add("old", read_only="true")
    refused(shop.run("put", "-", "old:key", stdin=b"1"), 5, "Adding images to store is disabled.")
    shop.datadir("slow").rmdir()
    refused(shop.run("put", "-", "slow:key", stdin=b"1"), 5, "ENOENT", str(shop.datadir("slow")))
    refused(shop.run("ls", "slow"), 5)


def test_a_bad_configuration_is_2(shop: Shop) -> None:
    for text, word in (
        ("[imgstore]\nenabled_stores = a:filesytem\n", "Did you mean 'filesystem'?"),
        ("[imgstore]\nenabled_stores = a:filesystem\n", "[a] datadir: is not set."),
        ("[imgstore]\nenabled_stores = a:memory\n[b]\nx = 1\n", "[b]: no such section"),
        ("nonsense", "line 1"),
    ):
        shop.file("imgstore.conf", text.encode())
        refused(shop.run("stores"), 2, word)
    refused(shop.run("stores", "--config-file", "missing.conf"), 2, "missing.conf cannot be read")


def test_without_a_configuration_it_says_where_it_looked(shop: Shop) -> None:
    (shop.root / "imgstore.conf").unlink()
    refused(
        shop.run("stores"), 2, "none of imgstore.conf, ", "/.config/imgstore/imgstore.conf", "imgstore sample-config"
    )


def test_the_configuration_is_found_in_the_order_of_the_documentation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("IMGSTORE_CONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    own = tmp_path / "home" / ".config" / "imgstore" / "imgstore.conf"
    own.parent.mkdir(parents=True)
    own.write_text("")
    assert configuration_files(None) == [str(own)]
    Path("imgstore.conf").write_text("")
    assert configuration_files(None) == ["imgstore.conf"]
    monkeypatch.setenv("IMGSTORE_CONFIG", "a.conf:b.conf")
    assert configuration_files(None) == ["a.conf", "b.conf"]
    assert configuration_files(["c.conf"]) == ["c.conf"]


def test_a_file_of_another_user_is_not_believed_unless_it_is_named() -> None:
    assert trusted(0, 1000)
    assert trusted(1000, 1000)
    assert not trusted(1001, 1000)
    assert not trusted(1000, 0)


def test_options_of_all_commands_stand_before_or_after(shop: Shop) -> None:
    (shop.root / "imgstore.conf").rename(shop.root / "first.conf")
    shop.file("second.conf", b"[imgstore]\ndefault_store = slow\n")
    first, second = ["--config-file", "first.conf"], ["--config-file", "second.conf"]
    for order in ([*first, *second, "stores"], [*first, "stores", *second], ["stores", *first, *second]):
        listed = shop.run(*order, "-f", "json").json()
        assert [row["default"] for row in listed] == [False, True]


def test_debug_shows_the_traceback_and_nothing_else_does(shop: Shop) -> None:
    for arguments in (["--debug", "get", "key", "-"], ["get", "key", "-", "--debug"]):
        err = shop.run(*arguments).err
        assert "Traceback" in err
        assert err.splitlines()[-1] == "imgstore: Store 'fast': No object has that key."
    assert "Traceback" not in shop.run("get", "key", "-v", "-v").err


def test_a_broken_pipe_is_quiet(shop: Shop) -> None:
    (shop.datadir("fast") / "key").write_bytes(bytes(8 * MIB))
    for number in range(400):
        (shop.datadir("slow") / f"{number:0>190}").write_bytes(b"")
    for command in ("get key -", "ls -f json"):
        done = shop.shell(f"imgstore {command} | head -c 10 >/dev/null; echo ${{PIPESTATUS[0]}}")
        assert (done.out, done.err) == (b"141\n", "")


def test_output_that_cannot_be_written_is_a_failure(shop: Shop) -> None:
    (shop.datadir("fast") / "key").write_bytes(bytes(8 * MIB))
    for command in ("get key -", "ls", "--help"):
        refused(shop.shell(f"exec imgstore {command} >/dev/full"), 1, "No space left on device")


def test_undone_or_whole_whether_standard_error_can_be_written_or_not(shop: Shop) -> None:
    shop.file("image", b"content")
    for key, full in enumerate(("2>/dev/full", "2> >(exec 0<&-; exit)")):
        for command, status in ((f"-v -v put image {key}", 0), (f"put --expect md5:{'0' * 32} image b", 1), ("p", 2)):
            done = shop.shell(f"imgstore {command} >/dev/null {full}")
            assert (done.status, done.out, done.err) == (status, b"", "")
    assert shop.names("fast") == ["0", "1"]


def test_a_width_that_is_no_number_is_2(shop: Shop) -> None:
    refused(shop.shell("CLIFF_MAX_TERM_WIDTH=wide exec imgstore ls"), 2, "CLIFF_MAX_TERM_WIDTH")


def test_a_missing_module_is_named_with_what_to_install(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(app: ImgstoreApp, argv: list[str]) -> int:
        raise ModuleNotFoundError(name="rich")

    monkeypatch.setattr(ImgstoreApp, "run", run)
    done = shop.run("stores")
    assert (done.status, done.err.split(".")[0]) == (
        2, "imgstore: the command line needs the module 'rich', which is missing"
    )  # fmt: skip
    assert "pip install" in done.err
