"""The OpenAPI document says what the service answers: compared by schemathesis, which makes requests of the document.

Seeded. In the environment of the long form IMGSTORE_ROUNDS=20 looks longer, SEED=7 looks elsewhere.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgstore import errors
from imgstore.service.api import openapi
from imgstore.service.api.app import resources
from imgstore.service.probes import Probes
from imgstore.service.status import StatusPage
from tests.image_api.conftest import Local
from tests.support.rounds import rounds
from tests.support.service import ServiceProcess

ROOT = Path(__file__).parents[2]
CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
    "response_headers_conformance", "unsupported_method", "use_after_free",
)  # fmt: skip
EXAMPLES = rounds(8)
SEED = os.environ.get("SEED", "1")


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """A service of its own: schemathesis fills it with images."""
    with ServiceProcess(tmp_path_factory.mktemp("fuzzed")) as running:
        yield running


def test_document_is_served_and_its_copy_is_current(shared_service: ServiceProcess) -> None:
    served = shared_service.client.get("/openapi.json").json()
    assert served == openapi.document()
    copy = ROOT / "doc" / "openapi.json"
    assert copy.read_text() == openapi.text(), f"run: python -m imgstore.service.api.openapi > {copy}"


def test_every_resource_is_described(local: Local) -> None:
    paths = openapi.document()["paths"]
    described = {path: about.keys() - {"parameters"} for path, about in paths.items()}
    for path, resource in resources(local.service.images, local.service.copies).items():
        methods = {name.removeprefix("on_") for name in dir(resource) if name.startswith("on_")}
        assert methods == described.pop(path), path
    assert described.pop("/v2/images/{image_id}/file") == {"get", "head", "put"}
    assert described.keys() == {*Probes.PATHS, StatusPage.PATH}


def test_a_refusal_is_named_as_in_the_answer() -> None:
    data = openapi.document()["paths"]["/v2/images/{image_id}/file"]
    assert data["put"]["responses"]["413"]["description"] == errors.ImageTooLarge.title
    assert data["get"]["responses"]["416"]["description"] == errors.RangeNotSatisfiable.title


@pytest.mark.parametrize(
    ("phases", "examples"),
    [
        ("examples", 1),
        pytest.param("examples,coverage,fuzzing", EXAMPLES, marks=pytest.mark.long),
        pytest.param("stateful", EXAMPLES, marks=pytest.mark.long),
    ],
)
def test_schemathesis_finds_nothing(fuzzed: ServiceProcess, tmp_path: Path, phases: str, examples: int) -> None:
    command = [
        str(Path(sys.executable).parent / "schemathesis"), "run", f"{fuzzed.client.url}/openapi.json",
        "--checks", ",".join(CHECKS), "--phases", phases, "--max-examples", str(examples), "--seed", SEED,
        "--generation-database", "none", "--request-timeout", "30", "--continue-on-failure",
    ]  # fmt: skip
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.image_api.fuzzing", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment, timeout=3000
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in fuzzed.log.read_text()
