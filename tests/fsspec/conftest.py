"""The servers, started when a test first asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fsspec.servers import Served, sftp, webdav


@pytest.fixture(scope="module")
def sftp_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Served]]:
    """A directory, and how it is reached by SFTP."""
    root = tmp_path_factory.mktemp("sftp")
    with sftp(root) as served:
        yield root, served


@pytest.fixture(scope="module")
def webdav_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Served]]:
    """The same by WebDAV."""
    root = tmp_path_factory.mktemp("webdav")
    with webdav(root) as served:
        yield root, served
