"""What a good configuration becomes."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from oslo_config import cfg

from imgstore import config
from imgstore.errors import ContentRefused, StoreFull, StoreReadOnly, WrongPlace
from imgstore.model import Attempt
from imgstore.store import StoreSet
from imgstore.transfers.upload import UploadSettings

STORES = """
[imgstore]
enabled_stores = fast:filesystem, Slow.2:filesystem, big:memory, small:memory,
default_store = Slow.2

[fast]
description = SSD, for two $$ a day
datadir = {0}/fast
chunk_size = 8192
weight = 10

[slow.2]
datadir = {0}/slow
read_only = true

[small]
capacity = 3
"""


def load(tmp_path: Path, text: str) -> cfg.ConfigOpts:
    path = tmp_path / "imgstore.conf"
    path.write_text(text)
    return config.load([str(path)], extra={"host": (), "DEFAULT": [cfg.IntOpt("workers", default=1)]})


def one_store(tmp_path: Path, more: str = "") -> cfg.ConfigOpts:
    return load(tmp_path, f"[imgstore]\nenabled_stores = m:memory\n{more}")


def put(stores: StoreSet, identifier: str, data: bytes) -> None:
    with stores.resolve(identifier).driver.open_writer("key", size=len(data)) as writer:
        writer.write(data)
        writer.commit()


def test_several_stores_of_one_driver_have_their_own_options(tmp_path: Path) -> None:
    stores = config.build_stores(load(tmp_path, STORES.format(tmp_path)))
    (tmp_path / "slow").mkdir()  # a read-only place is not made
    stores.check(create=True)
    assert [(store.identifier, store.description, store.weight, store.read_only) for store in stores] == [
        ("fast", "SSD, for two $ a day", 10, False),
        ("Slow.2", "", 0, True),
        ("big", "", 0, False),
        ("small", "", 0, False),
    ]
    put(stores, "fast", b"four")
    put(stores, "big", b"four")
    assert (tmp_path / "fast" / "key").read_bytes() == b"four"
    assert not list((tmp_path / "slow").iterdir())
    with pytest.raises(StoreFull):
        put(stores, "small", b"four")
    with pytest.raises(StoreReadOnly):
        stores.resolve(None).refuse_if_read_only()
    stores.close()


def test_a_place_without_a_mark_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    """It may be where a disk is mounted otherwise."""
    datadir = tmp_path / "images"
    text = f"[imgstore]\nenabled_stores = fast:filesystem\n[fast]\ndatadir = {datadir}\n"
    config.build_stores(load(tmp_path, text)).check(create=True)
    datadir.rename(tmp_path / "disk")
    datadir.mkdir()
    stores = config.build_stores(load(tmp_path, text))
    with pytest.raises(WrongPlace, match=r"no mark.*check\(create=True\)"):
        stores.check()
    assert list(datadir.iterdir()) == []


def test_the_defaults_are_those_of_the_documentation(tmp_path: Path) -> None:
    conf = one_store(tmp_path)
    assert config.upload_settings(conf) == UploadSettings(max_image_size=1024**4, hash_algo="sha512", checksum=True)
    assert config.project_quota(conf) is None
    assert config.build_stores(conf).resolve(None).identifier == "m", "the only store"
    assert [type(tap).__name__ for tap in config.build_taps(conf)] == ["FormatInspection"]


def test_another_format_passes_inspection_where_the_match_is_not_required(tmp_path: Path) -> None:
    for text, passes in (("", False), ("require_image_format_match = false\n", True)):
        (made,) = config.build_taps(one_store(tmp_path, text))
        tap = made(Attempt("image", 1, "project", "qcow2", "bare"), size=None)
        assert tap is not None
        tap.write(b"text")
        with contextlib.nullcontext() if passes else pytest.raises(ContentRefused):
            tap.finish()
        tap.close()


def test_sizes_are_bytes_or_have_a_binary_suffix(tmp_path: Path) -> None:
    sizes = {"0": 0, "1073741824": 1024**3, "1KiB": 1024, "3MiB": 3 * 1024**2, "2 tib": 2 * 1024**4, "1PiB": 1024**5}
    for written, size in sizes.items():
        conf = one_store(tmp_path, f"max_image_size = {written}\nproject_quota = {written}\n")
        assert (config.upload_settings(conf).max_image_size, config.project_quota(conf)) == (size, size)


def test_the_options_of_uploads_are_passed_on(tmp_path: Path) -> None:
    settings = config.upload_settings(one_store(tmp_path, "hash_algorithm = SHA256\nchecksum = off\n"))
    assert (settings.hash_algo, settings.checksum, settings.several_stores) == ("sha256", False, "off")
    for word in ("off", "all", "any"):
        assert config.upload_settings(one_store(tmp_path, f"several_stores = {word}\n")).several_stores == word


def test_a_later_file_wins_over_an_earlier_one_and_the_environment_over_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "1.conf", tmp_path / "2.conf"
    first.write_text("[imgstore]\nenabled_stores = m:memory\nproject_quota = 1\nmax_image_size = 1\n[m]\nweight = 1\n")
    second.write_text("[imgstore]\nmax_image_size = 2\nproject_quota = 2\n")
    monkeypatch.setenv("OS_IMGSTORE__MAX_IMAGE_SIZE", "3")
    conf = config.load([str(first), str(second)])
    assert config.project_quota(conf) == 2
    assert config.upload_settings(conf).max_image_size == 3
    assert next(iter(config.build_stores(conf))).weight == 1


def test_sections_of_the_host_are_read_with_its_options_or_left_alone(tmp_path: Path) -> None:
    assert one_store(tmp_path, "[host]\nanything = goes\n[DEFAULT]\nworkers = 4\n").workers == 4


def test_a_host_hands_over_a_configuration_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "host.conf"
    path.write_text("[host]\nunknown = 1\n[imgstore]\nenabled_stores = a:memory\n[a]\ndescription = mine\n")
    conf = cfg.ConfigOpts()
    conf(args=["--config-file", str(path)], default_config_dirs=[])
    for _ in range(2):
        assert [store.description for store in config.build_stores(conf)] == ["mine"]
    assert config.project_quota(conf) is None


def test_a_bulkhead_is_what_the_options_say_or_a_share_of_the_threads(tmp_path: Path) -> None:
    text = STORES.format(tmp_path)
    section = text.rindex("[")
    conf = load(tmp_path, f"{text}\nmax_transfers = 3\nmax_wait = 0.5\n")
    name = text[section + 1 : text.index("]", section)]
    with contextlib.closing(config.build_stores(conf, threads=16)) as stores:
        found = {store.identifier: store.bulkhead for store in stores}
        told, others = found.pop(name), [*found.values()]
    assert (told.max_transfers, told.max_wait) == (3, 0.5)
    assert {(other.max_transfers, other.max_wait) for other in others} == {(8, 10.0)}
