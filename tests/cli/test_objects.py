"""Objects go in, come out, are listed, copied, compared and removed."""

from __future__ import annotations

import csv
import hashlib
import io
import random
import re

from tests.cli.support import Shop

MIB = 1024 * 1024
CONTENT = random.Random(3).randbytes(2 * MIB + 17)
SHA512 = hashlib.sha512(CONTENT).hexdigest()


def test_put_prints_location_size_and_digests(shop: Shop) -> None:
    shop.file("image", CONTENT)
    url = f"file://{shop.datadir('fast')}/image"
    assert shop.run("put", "image", "-f", "json").json() == {
        "store": "fast", "key": "image", "size": len(CONTENT), "url": url, "sha512": SHA512,
        "md5": hashlib.md5(CONTENT).hexdigest(),
    }  # fmt: skip
    assert (shop.datadir("fast") / "image").read_bytes() == CONTENT
    shop.write(hash_algorithm="sha256", checksum="false")
    printed = shop.run("put", "-", "key", "-f", "json", stdin=CONTENT).json()
    assert printed["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert {"md5", "sha512"}.isdisjoint(printed)


def test_a_new_object_is_named_by_a_store_a_key_or_both(shop: Shop) -> None:
    shop.file("image", CONTENT)
    for name, where in (("slow:", "slow/image"), ("slow:other", "slow/other"), ("other", "fast/other")):
        assert shop.run("put", "image", name).status == 0
        assert (shop.root / where).read_bytes() == CONTENT


def test_a_table_is_for_people_and_json_csv_and_yaml_are_for_programs(shop: Shop) -> None:
    shop.file("image", CONTENT)
    table = shop.run("put", "image", "slow:a").out.decode()
    assert re.search(r"\| size +\| 2\.0 MiB +\|", table)
    (row,) = csv.DictReader(io.StringIO(shop.run("put", "image", "slow:b", "-f", "csv").out.decode()))
    assert (row["key"], row["size"]) == ("b", str(len(CONTENT)))
    assert f"\nsize: {len(CONTENT)}\n" in shop.run("put", "image", "slow:c", "-f", "yaml").out.decode()
    value = shop.run("put", "image", "slow:d", "-f", "value", "-c", "size", "-c", "key").out
    assert value.decode().split() == ["d", str(len(CONTENT))]
    assert shop.run("put", "image", "e", "-f", "csv", "-c", "key").out.split() == [b'"key"', b'"e"']


def test_64_mib_of_binary_data_go_in_by_standard_input_and_out_by_standard_output(shop: Shop) -> None:
    content = random.Random(4).randbytes(MIB) * 64
    size = str(len(content))
    put = shop.run("put", "--size", "64MiB", "-", "slow:big", "-f", "value", "-c", "size", stdin=content)
    assert put.out.decode().strip() == size
    assert (shop.datadir("slow") / "big").stat().st_size == len(content)
    assert shop.run("get", "slow:big", "-").out == content


def test_the_size_of_a_file_on_standard_input_is_known(shop: Shop) -> None:
    shop.file("image", CONTENT)
    shop.add("small", capacity=len(CONTENT))
    assert shop.shell("(head -c 17 >/dev/null; imgstore put - small:x) < image").status == 0
    left = (shop.datadir("small") / "x").read_bytes()
    assert CONTENT.endswith(left)
    assert len(left) > len(CONTENT) - MIB


def test_every_byte_is_kept(shop: Shop) -> None:
    for key, content in (("empty", b""), ("line", b"\n"), ("all", bytes(range(256)))):
        shop.run("put", "-", key, stdin=content)
        assert shop.run("get", key, "-").out == content
        assert shop.run("get", key).status == 0
        assert (shop.root / key).read_bytes() == content


def test_get_names_the_file_after_the_key_and_puts_it_into_a_directory(shop: Shop) -> None:
    (shop.datadir("slow") / "key").write_bytes(CONTENT)
    (shop.root / "dir").mkdir()
    done = shop.run("get", "slow:key"), shop.run("get", "slow:key", "dir"), shop.run("get", "slow:key", "dir/other")
    assert [(each.status, each.out, each.err) for each in done] == [(0, b"", "")] * 3
    for name in ("key", "dir/key", "dir/other"):
        assert (shop.root / name).read_bytes() == CONTENT


def test_get_replaces_a_file_only_by_force(shop: Shop) -> None:
    (shop.datadir("fast") / "key").write_bytes(CONTENT)
    shop.file("here", b"before")
    refused = shop.run("get", "key", "here")
    assert (refused.status, refused.err) == (4, "imgstore: here exists already (--force replaces it).\n")
    assert (shop.root / "here").read_bytes() == b"before"
    assert shop.run("get", "key", "here", "--force").status == 0
    assert (shop.root / "here").read_bytes() == CONTENT
    assert [path.name for path in shop.root.iterdir() if path.name.startswith(".")] == []


def test_ls_lists_keys_sizes_and_times(shop: Shop) -> None:
    for store, key in (("slow", "b"), ("fast", "z"), ("fast", "a")):
        shop.run("put", "-", f"{store}:{key}", stdin=b"12345")
    listed = shop.run("ls", "-f", "json").json()
    assert [(row["store"], row["key"], row["size"]) for row in listed] == [
        ("fast", "a", 5), ("fast", "z", 5), ("slow", "b", 5),
    ]  # fmt: skip
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row["modified"]) for row in listed)
    assert shop.run("ls", "slow", "-f", "value", "-c", "key").out == b"b\n"
    assert re.search(r"\| slow  \| b   \| +5 B \| \d{4}-", shop.run("ls", "slow").out.decode())


def test_ls_of_an_empty_store_prints_nothing_for_people_and_an_empty_list_for_programs(shop: Shop) -> None:
    assert shop.run("ls", "slow").out == b""
    assert shop.run("ls", "slow", "-f", "json").json() == []


def test_a_driver_that_cannot_list_says_so_and_the_others_are_listed(shop: Shop) -> None:
    shop.add("mute", "silent")
    shop.run("put", "-", "key", stdin=b"1")
    done = shop.run("ls", "-f", "value", "-c", "key")
    assert (done.status, done.out) == (1, b"key\n")
    assert done.err == "imgstore: Store 'mute': its driver cannot list objects.\n"


def test_copy_streams_from_store_to_store_and_compares(shop: Shop) -> None:
    shop.run("put", "-", "fast:key", stdin=CONTENT)
    copied = shop.run("copy", "fast:key", "slow:", "-f", "json").json()
    assert (copied["store"], copied["key"], copied["size"]) == ("slow", "key", len(CONTENT))
    assert copied["sha512"] == SHA512
    assert shop.run("copy", "key", "second").status == 0
    assert (shop.datadir("slow") / "key").read_bytes() == (shop.datadir("fast") / "second").read_bytes() == CONTENT


def test_copy_that_does_not_read_back_the_same_is_removed(shop: Shop) -> None:
    shop.add("liar", "lying")
    shop.run("put", "-", "key", stdin=bytes(3 * MIB))
    done = shop.run("copy", "key", "liar:")
    assert done.status == 1
    assert done.err == "imgstore: the copy liar:key has another sha512 than fast:key and was removed.\n"
    assert shop.names("liar") == []


def test_copy_inside_a_store_that_can_is_made_by_the_store_and_compared(shop: Shop) -> None:
    shop.add("copying", "copying")
    shop.run("put", "-", "copying:key", stdin=CONTENT)
    shop.run("put", "-", "copying:bad", stdin=CONTENT)
    copied = shop.run("copy", "copying:key", "copying:second", "-f", "json").json()
    assert (copied["key"], copied["size"], copied["sha512"]) == ("second", len(CONTENT), SHA512)
    assert (shop.datadir("copying") / "second").stat().st_nlink == 2, "the store made it"
    done = shop.run("copy", "copying:bad", "copying:third")
    assert done.err == "imgstore: the copy copying:third has another sha512 than copying:bad and was removed.\n"
    assert shop.names("copying") == ["bad", "key", "second"]


def test_copy_inside_a_store_is_held_to_the_same_rules(shop: Shop) -> None:
    shop.add("copying", "copying")
    shop.run("put", "-", "copying:key", stdin=CONTENT)
    shop.write(max_image_size=len(CONTENT) - 1)
    assert shop.run("copy", "copying:key", "copying:second").status == 1
    shop.add("copying", "copying", read_only=True)
    assert shop.run("copy", "copying:key", "copying:second").status == 5
    assert shop.names("copying") == ["key"]


def test_copy_leaves_nothing_if_the_source_breaks_in_the_middle(shop: Shop) -> None:
    shop.add("broken", "breaking")
    (shop.datadir("broken") / "key").write_bytes(bytes(3 * MIB))
    done = shop.run("copy", "-q", "broken:key", "slow:")
    assert done.status == 5
    assert done.err.startswith("imgstore: Store 'broken': Image storage is not available (EIO)")
    assert (shop.names("slow"), shop.names("broken")) == ([], ["key"])


def test_copy_leaves_nothing_if_the_target_is_full_in_the_middle(shop: Shop) -> None:
    shop.add("small", capacity=MIB)
    shop.run("put", "-", "key", stdin=CONTENT)
    done = shop.run("copy", "key", "small:")
    assert (done.status, done.err.startswith("imgstore: Store 'small': The capacity is 1048576 bytes")) == (5, True)
    assert shop.names("small") == []


def test_verify_shows_digests_and_compares_them(shop: Shop) -> None:
    (shop.datadir("slow") / "key").write_bytes(CONTENT)
    shown = shop.run("verify", "slow:key", "-f", "json").json()
    assert (shown["sha512"], shown["md5"]) == (SHA512, hashlib.md5(CONTENT).hexdigest())
    same = shop.run("verify", "slow:key", "--expect", SHA512.upper(), "-f", "json").json()
    assert same["result"] == "as expected"
    other = hashlib.sha256(b"other").hexdigest()
    differs = shop.run("verify", "slow:key", "--expect", SHA512, "--expect", f"sha256:{other}", "-f", "value")
    assert (differs.status, differs.out.splitlines()[-1]) == (1, b"differs: sha256")


def test_put_stores_only_the_bytes_that_were_meant(shop: Shop) -> None:
    other, sha256 = hashlib.sha256(b"other").hexdigest(), hashlib.sha256(CONTENT).hexdigest()
    shop.file("image", CONTENT)
    for source in ("image", "-"):
        done = shop.run("put", source, "slow:key", "--expect", f"sha256:{other}", stdin=CONTENT)
        assert (done.status, done.out, done.err.count("\n")) == (1, b"", 1)
        assert (f"sha256 {sha256}, expected was {other}." in done.err, shop.names("slow")) == (True, [])
    wanted = ("--expect", SHA512, "--expect", f"SHA256:{sha256.upper()}")
    assert shop.run("put", "image", "slow:key", *wanted, "-f", "json").json()["sha256"] == sha256
    assert shop.names("slow") == ["key"]


def test_rm_removes_all_that_it_can(shop: Shop) -> None:
    for key in ("a", "b", "kept"):
        shop.run("put", "-", key, stdin=b"1")
    done = shop.run("rm", "a", "missing", "fast:b")
    assert (done.status, done.out, done.err.count("\n")) == (3, b"", 1)
    assert done.err == "imgstore: missing: Store 'fast': No object has that key.\n"
    assert shop.names() == ["kept"]
    assert shop.run("rm", "kept", "../etc").status == 2
    assert shop.names() == ["kept"], "every key is looked at before the first object goes"
