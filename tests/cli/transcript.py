"""What the document shows of the command line is made by running it: `python -m tests.cli.transcript` renews it.

Behind a line `<!-- transcript -->` stands a block of `$ commands` with their output. The commands of a document run one
after the other on a terminal, in a directory with two stores and an image; paths become `/srv/...`.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from tests.cli.support import ROOT, Shop

DOCUMENTS = (ROOT / "doc" / "cli.md",)
WIDTH = 100
IMAGE = "debian-12.qcow2"
IMAGE_SIZE = 64 * 1024 * 1024
_BLOCK = re.compile(r"(?<=<!-- transcript -->\n```console\n).*?(?=```\n)", re.DOTALL)
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def renewed(document: str) -> str:
    """The document with the output that its commands have now."""
    with tempfile.TemporaryDirectory(prefix="imgstore-") as root:
        shop = _scene(Path(root))
        return _BLOCK.sub(lambda block: _run(shop, block[0]), document)


def masked(document: str) -> str:
    """The blocks of a document without what differs from run to run: figures, units, digests, widths."""
    text = "\n".join(_BLOCK.findall(document))
    text = re.sub(r"\b(?=[a-f]*[0-9])[0-9a-f]{16,}\b", "HEX", text)
    text = re.sub(r"[0-9]+(\.[0-9]+)?", "N", text)
    text = re.sub(r"\b([KMGTP]i)?B\b", "UNIT", text)
    return re.sub(r"━+|[╸╺]", "━", re.sub(r"-{3,}", "---", re.sub(r" +", " ", text))).replace("━━", "━")


def _scene(root: Path) -> Shop:
    shop = Shop(root)
    shop.stores["slow"]["description"] = "spinning disks"
    shop.write()
    (shop.root / IMAGE).write_bytes(bytes(range(256)) * (IMAGE_SIZE // 256))
    return shop


def _run(shop: Shop, block: str) -> str:
    commands = [line for line in block.splitlines() if line.startswith("$ ")]
    return "".join(f"{command}\n{_output(shop, command[2:])}" for command in commands)


def _output(shop: Shop, command: str) -> str:
    done = shop.show(["bash", "-c", command], width=WIDTH)
    lines = _ESCAPES.sub("", done.out.decode()).replace("\r\n", "\n").split("\n")
    # Of what was drawn in one place a terminal shows the last.
    return "".join(f"{_moved(line.split(chr(13))[-1], str(shop.root)).rstrip()}\n" for line in lines if line)


def _moved(line: str, root: str) -> str:
    moved = line.replace(root, "/srv")
    return f"{moved[:-1]}{' ' * (len(line) - len(moved))}|" if moved.endswith("|") else moved


def main() -> None:
    """Renews the documents."""
    for path in DOCUMENTS:
        path.write_text(renewed(path.read_text()))


if __name__ == "__main__":
    main()
