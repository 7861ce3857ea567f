"""What doc/s3.md says is what the driver does."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

from imgstore import config
from imgstore.drivers.s3 import S3Driver, check, place
from imgstore.drivers.s3.options import S3Options

ROOT = Path(__file__).parent.parent.parent
TEXT = (ROOT / "doc" / "s3.md").read_text()


def blocks(language: str) -> list[str]:
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    return found


def test_the_example_makes_a_store(tmp_path: Path) -> None:
    (text,) = blocks("ini")
    (tmp_path / "imgstore.conf").write_text(text)
    stores = config.build_stores(config.load([str(tmp_path / "imgstore.conf")]))
    (store,) = stores
    assert isinstance(store.driver, S3Driver)
    assert store.driver.url("key") == "s3+https://s3.example.org/images/key"


def test_every_option_is_explained() -> None:
    assert [option.name for option in S3Driver.OPTIONS if f"`{option.name}`" not in TEXT] == []


def test_the_policy_has_every_permission_that_a_check_may_name() -> None:
    policy = json.loads(blocks("json")[0])
    granted = {action for statement in policy["Statement"] for action in statement["Action"]}
    code = "".join(inspect.getsource(module) for module in (check, place))
    named = set(re.findall(r'"(s3:\w+|kms:\w+)', code))
    besides = {"s3:CreateBucket", "s3:PutObjectTagging", "kms:GenerateDataKey"}
    assert named == granted | besides
    assert [permission for permission in besides if f"`{permission}`" not in TEXT] == []


def test_the_figures_are_the_defaults() -> None:
    options = S3Options(bucket="images")
    memory = options.threshold + (options.concurrency + 1) * options.part_size
    assert f"{memory // 1024**2} MiB as it is by default" in TEXT
    assert f"{options.max_parts * options.part_size // 1024**3} GiB by default" in TEXT
    json.loads(blocks("json")[1])
