"""Glance's own configuration starts imgstore unchanged, and says the same when migrated. What is lost is named."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import pytest

from imgstore import config
from imgstore.config import glance_options
from imgstore.config.load import translated
from imgstore.errors import ConfigurationError

FILES = """
[DEFAULT]
debug = true
enabled_backends = fast:file, cheap:file, web:http
image_size_cap = 1073741824
user_storage_quota = 10GB
[database]
connection = mysql+pymysql://glance:hunter2@controller/glance
[glance_store]
default_backend = fast
[backend_defaults]
filesystem_thin_provisioning = true
filesystem_store_timeout = 30
[fast]
filesystem_store_datadir = {0}/fast
store_description = Fast disks
weight = 10
[cheap]
filesystem_store_datadirs = {0}/cheap:100
filesystem_store_file_perm = 644
filesystem_store_metadata_file = /etc/glance/metadata.json
[os_glance_tasks_store]
filesystem_store_datadir = /var/lib/glance/os_glance_tasks_store
"""
S3 = """
[DEFAULT]
enabled_backends = s3_store:s3
hashing_algorithm = sha256
[glance_store]
default_backend = s3_store
[s3_store]
s3_store_host = s3.example.org:8080
s3_store_region_name = here
s3_store_access_key = user
s3_store_secret_key = hunter2
s3_store_bucket = glance
s3_store_bucket_url_format = path
s3_store_large_object_size = 100
s3_store_large_object_chunk_size = 10
s3_store_thread_pools = 10
s3_store_create_bucket_on_put = True
"""
SWIFT = """
[DEFAULT]
enabled_backends = vault:swift, old:swift
[glance_store]
default_backend = vault
[backend_defaults]
swift_store_large_object_chunk_size = 200
[vault]
swift_store_config_file = /etc/glance/swift.conf
default_swift_reference = ref2
swift_store_container = images
swift_store_large_object_size = 5120
swift_store_multiple_containers_seed = 2
[old]
swift_store_auth_version = 3
swift_store_auth_address = https://keystone.example.org:5000/v3
swift_store_user = service:glance
swift_store_key = hunter2
swift_store_container = old
swift_store_endpoint_type = internalURL
"""
OURS = """
[DEFAULT]
enabled_backends = fast:imgstore_file, cold:imgstore_s3, vault:imgstore_swift, other:imgstore
[glance_store]
default_backend = fast
[fast]
datadir = {0}/fast
places_dir = {0}/places
store_description = Fast disks
weight = 10
[cold]
endpoint_url = https://s3.example.org
bucket = glance
region = here
part_size = 16MiB
access_key = user
secret_key = hunter2
[vault]
account_file = /etc/glance/swift.conf
[other]
driver = memory
read_only = true
"""
MIB = 1024**2


def written(directory: Path, text: str, name: str = "glance-api.conf") -> str:
    path = directory / name
    path.write_text(text.replace("{0}", str(directory)))
    path.chmod(0o600)
    return str(path)


def options_of(file: str) -> dict[str, dict[str, Any]]:
    """What the drivers are made with, and the library's own options."""
    conf = config.load([file])
    config.build_stores(conf).close()
    names = ("imgstore", *config.driver_names(conf))
    return {name: dict(conf[name]) for name in names}


QUOTED = [S3.replace("hunter2", secret) for secret in ("\"'hunter2'\"", "' hunter2 '")]


@pytest.mark.parametrize("text", [FILES, S3, SWIFT, OURS, *QUOTED])
def test_the_migrated_file_says_what_the_old_one_says(tmp_path: Path, text: str) -> None:
    old = written(tmp_path, text)
    new = written(tmp_path, "\n".join(translated([old]).lines()), "imgstore.conf")
    assert options_of(old) == options_of(new)


@pytest.mark.parametrize("text", [FILES, S3, SWIFT, OURS])
def test_the_case_of_a_sections_name_does_not_matter(tmp_path: Path, text: str) -> None:
    """As in Glance: without its section, a store had the default datadir."""
    shouted = re.sub(r"^\[(?!DEFAULT)\w+\]$", lambda found: found[0].upper(), text, flags=re.MULTILINE)
    assert shouted != text
    expected = options_of(written(tmp_path, text))
    assert options_of(written(tmp_path, shouted)) == expected


def test_values_are_converted(tmp_path: Path) -> None:
    found = {
        name: values for text in (FILES, S3, SWIFT) for name, values in options_of(written(tmp_path, text)).items()
    }
    expected: dict[str, dict[str, Any]] = {
        "fast": {"datadir": f"{tmp_path}/fast", "thin_provisioning": True, "description": "Fast disks", "weight": 10},
        "cheap": {"datadir": f"{tmp_path}/cheap", "file_mode": "0644", "weight": 0},
        "s3_store": {
            "endpoint_url": "http://s3.example.org:8080", "part_size": 10 * MIB, "multipart_threshold": 100 * MIB,
            "concurrency": 10, "create_bucket": True, "addressing_style": "path", "secret_key": "hunter2",
        },
        "vault": {
            "account_file": "/etc/glance/swift.conf", "reference": "ref2", "large_object_threshold": 5120 * MIB,
            "segment_size": 200 * MIB, "multiple_containers_seed": 2,
        },
        "old": {"project_name": "service", "username": "glance", "password": "hunter2", "segment_size": 200 * MIB},
    }  # fmt: skip
    for name, values in expected.items():
        assert {option: found[name][option] for option in values} == values
    own = options_of(written(tmp_path, FILES))["imgstore"]
    assert (own["default_store"], own["max_image_size"], own["project_quota"]) == ("fast", 1024**3, 10 * 1024**3)
    assert options_of(written(tmp_path, S3))["imgstore"]["hash_algorithm"] == "sha256"


def test_backends_of_imgstore_in_glance_keep_their_options(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = written(tmp_path, OURS)
    found = options_of(path)
    drivers = ["fast:filesystem", "cold:s3", "vault:swift", "other:memory"]
    assert found["imgstore"]["enabled_stores"] == drivers
    assert (found["fast"]["description"], found["fast"]["weight"]) == ("Fast disks", 10)
    assert (found["cold"]["part_size"], found["cold"]["secret_key"]) == (16 * MIB, "hunter2")
    assert found["other"]["read_only"]
    Path(path).chmod(0o644)
    caplog.clear()
    with caplog.at_level(logging.WARNING, "imgstore"):
        config.load([path])
    (secret,) = [record.getMessage() for record in caplog.records]
    assert "[cold] secret_key" in secret
    for wrong in (OURS.replace("driver = memory", ""), OURS.replace("datadir =", "datadri =")):
        with pytest.raises(ConfigurationError, match=r"driver: is not set|datadri: no such option"):
            config.load([written(tmp_path, wrong)])


def test_what_has_no_counterpart_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "imgstore"):
        config.load([written(tmp_path, FILES)])
    told = [record.getMessage() for record in caplog.records]
    assert told == [
        "Glance's configuration: store web is left out: its type 'http' has no driver here",
        "Glance's configuration: [cheap] filesystem_store_metadata_file has no counterpart here",
        "Glance's configuration: [backend_defaults] filesystem_store_timeout has no counterpart here",
    ]


@pytest.mark.parametrize(
    ("wrong", "right", "line"),
    [
        (
            "filesystem_store_datadir = {0}/fast",
            "filesystem_store_datadri = {0}/fast",
            "[fast] filesystem_store_datadri: ",
        ),
        ("/cheap:100", "/cheap:100\nfilesystem_store_datadirs = /b:1", "[cheap] filesystem_store_datadirs: "),
        ("file_perm = 644", "file_perm = rw", "[cheap] filesystem_store_file_perm: the value cannot be kept."),
        ("weight = 10", "weigth = 10", "[fast] weigth: no such option"),
        ("default_backend = fast", "default_backend = web", "[DEFAULT] enabled_backends: the store 'web'"),
        ("cheap:file,", "cheap:file, imgstore:file,", "[DEFAULT] enabled_backends: a store cannot be called 'im"),
        ("10GB", "10 apples", "[DEFAULT] user_storage_quota: the value cannot be kept."),
        ("image_size_cap = 1073741824", "image_size_cap = much", "[imgstore] max_image_size: 'much' is not valid."),
    ],
)
def test_what_would_be_another_thing_is_refused(tmp_path: Path, wrong: str, right: str, line: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(line)):
        config.load([written(tmp_path, FILES.replace(wrong, right))])


def test_secrets_that_all_may_read_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = written(tmp_path, S3)
    Path(path).chmod(0o644)
    with caplog.at_level(logging.WARNING, "imgstore"):
        config.load([path])
    (told,) = [record.getMessage() for record in caplog.records]
    assert "[s3_store] s3_store_secret_key" in told
    assert "hunter2" not in told


def test_files_of_ours_are_never_taken_for_glances(tmp_path: Path) -> None:
    ours = written(tmp_path, "[imgstore]\nenabled_stores = m:memory\n")
    with pytest.raises(ConfigurationError, match=r"\[DEFAULT\] enabled_backends: is not set"):
        translated([ours])
    with pytest.raises(ConfigurationError, match=r"\[glance_store\]: no such section"):
        config.load([ours, written(tmp_path, "[glance_store]\ndefault_backend = x\n", "more.conf")])


def test_every_counterpart_is_an_option_of_the_driver() -> None:
    for driver, counterparts in glance_options.OPTIONS.items():
        known = {option.dest for option in config.registry.driver_class(driver).OPTIONS}
        assert {each.name for each in counterparts.values()} <= known


def test_options_of_both_drivers_may_stand_side_by_side(tmp_path: Path) -> None:
    text = """
        [DEFAULT]
        enabled_backends = fast:imgstore_file
        [fast]
        datadir = {0}/fast
        filesystem_store_datadir = {0}/fast
        filesystem_store_timeout = 10
        places_dir = {0}/places
    """
    ours = "\n".join(line.strip() for line in text.splitlines())
    for kind in ("imgstore_file", "file"):
        (store,) = config.build_stores(config.load([written(tmp_path, ours.replace("imgstore_file", kind))]))
        assert store.driver.url("x") == f"file://{tmp_path}/fast/x"
