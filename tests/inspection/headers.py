"""Minimal images of every format, made by hand: the fields that matter, and zeros."""

from __future__ import annotations

import struct
import uuid

from imgstore.transfers.inspectors import crc32c

KIB = 1024
MIB = 1024 * KIB
SIZE = 12 * MIB


def qcow2(*, version: int = 3, backing: int = 0, features: int = 0, size: int = SIZE) -> bytes:
    header = struct.pack(">4sIQIIQ", b"QFI\xfb", version, backing, 0, 16, size)
    return (header.ljust(72, b"\0") + struct.pack(">Q", features)).ljust(KIB, b"\0")


def qed() -> bytes:
    return b"QED\0".ljust(KIB, b"\0")


def vhd(*, size: int = SIZE, kind: int = 3, end: int = 3) -> bytes:
    """A dynamic one: the copy of the footer, and the footer; `kind` and `end` are their types."""
    return vhd_footer(size=size, kind=kind) + bytes(512) + vhd_footer(size=size, kind=end)


def vhd_footer(*, size: int = SIZE, kind: int = 2) -> bytes:
    """The last sector of a fixed one. Its size is the present one, not that of its making before."""
    return (b"conectix".ljust(40, b"\0") + struct.pack(">QQII", 2**63, size, 0, kind)).ljust(512, b"\0")


def vdi(
    *, size: int = SIZE, start: bytes = b"<<< A disk image >>>\n", kind: int = 1, link: int = 0,
    version: int = 0x10001,
) -> bytes:  # fmt: skip
    image = bytearray(KIB)
    image[: len(start)] = start
    struct.pack_into("<I", image, 0x40, 0xBEDA107F)
    struct.pack_into("<I4xI", image, 0x44, version, kind)
    struct.pack_into("<Q", image, 0x170, size)
    if link:
        image[link] = 1
    return bytes(image)


VHDX_PARAMETERS, VHDX_PARENT = "CAA16737-FA36-4D43-B3B6-33F0AA44E76B", "A8D35F2D-B30B-454D-ABF7-D3D84834AB0C"


def guid(text: str) -> bytes:
    return uuid.UUID(text).bytes_le


def vhdx(
    *, size: int = SIZE, item_length: int = 8, metadata_at: int = MIB, item_at: int = 64 * KIB, flags: int = 0,
    items: tuple[str, ...] = (VHDX_PARAMETERS,), logs: tuple[int, int] | None = None,
) -> bytes:  # fmt: skip
    image = bytearray(max(MIB, min(metadata_at, 4 * MIB)) + 128 * KIB)
    image[:8] = b"vhdxfile"
    struct.pack_into("<4sIII", image, 192 * KIB, b"regi", 0, 1, 0)
    struct.pack_into(
        "<16sQII", image, 192 * KIB + 16, guid("8B7CA206-4790-4B9A-B8FE-575F050F886E"), metadata_at, MIB, 1
    )
    image[256 * KIB : 320 * KIB] = image[192 * KIB : 256 * KIB]
    for number, log in enumerate(logs or ()):  # the first header is the newer one
        header = struct.pack("<4sIQ32s16s", b"head", 0, 9 - number, b"", bytes([log])).ljust(4 * KIB, b"\0")
        at = (64 + 64 * number) * KIB
        image[at : at + 4 * KIB] = header[:4] + struct.pack("<I", crc32c(header)) + header[8:]
    if metadata_at < len(image):
        struct.pack_into("<8sHH", image, metadata_at, b"metadata", 0, 1 + len(items))
        for number, item in enumerate(items, 1):
            struct.pack_into("<16sIII", image, metadata_at + 32 + 32 * number, guid(item), 64 * KIB + 16, 8, 0)
        struct.pack_into("<II", image, metadata_at + 64 * KIB + 16, MIB, flags)
        entry = guid("2FA54224-CD1B-4876-B211-5DBED83BF4B8")
        struct.pack_into("<16sIII", image, metadata_at + 32, entry, item_at, item_length, 0)
        struct.pack_into("<Q", image, metadata_at + 64 * KIB, size)
    return bytes(image)


DESCRIPTOR = """# Disk DescriptorFile
version=1
CID=fb183c20
parentCID=ffffffff
createType="{kind}"

# Extent description
{extents}

# The Disk Data Base
ddb.adapterType = "ide"
"""


def descriptor(
    *, kind: str = "monolithicSparse", extents: str = 'RW 24576 SPARSE "disk.vmdk"', more: str = ""
) -> bytes:
    return (DESCRIPTOR.format(kind=kind, extents=extents) + more).encode("ascii")


def vmdk(
    *, text: bytes | None = None, sectors: int = SIZE // 512, directory: int = 1, version: int = 1, told: int = 20
) -> bytes:
    """`told`: the sectors of the descriptor, as the header says."""
    body = descriptor() if text is None else text
    header = struct.pack("<4sIIQQQQIQQ", b"KDMV", version, 3, sectors, 128, 1, told, 512, 0, directory)
    return header.ljust(512, b"\0") + body.ljust(20 * 512, b"\0") + bytes(KIB)


def iso(*, start: bytes = b"", blocks: int = 400) -> bytes:
    image = bytearray(40 * KIB)
    image[: len(start)] = start
    struct.pack_into("<B5s", image, 32 * KIB, 1, b"CD001")
    struct.pack_into("<I", image, 32 * KIB + 80, blocks)
    struct.pack_into("<H", image, 32 * KIB + 128, 2048)
    return bytes(image)


def udf(*, start: bytes = b"", found: bytes = b"NSR03", stride: int = 2048) -> bytes:
    """Without ISO 9660."""
    image = bytearray(64 * KIB)
    image[: len(start)] = start
    for number, name in enumerate((b"BEA01", found, b"TEA01")):
        struct.pack_into("<B5sB", image, 32 * KIB + number * stride, 0, name, 1)
    return bytes(image)


def gpt(*, start: bytes = b"", boot_flag: int = 0, kind: int = 0xEE, first_sector: int = 1) -> bytes:
    image = bytearray(4 * KIB)
    image[: len(start)] = start
    struct.pack_into("<B3BB3BII", image, 446, boot_flag, 0, 2, 0, kind, 0xFF, 0xFF, 0xFF, first_sector, 7)
    struct.pack_into("<H", image, 510, 0xAA55)
    return bytes(image)


def luks(*, version: int = 1, payload_sectors: int = 8) -> bytes:
    header = struct.pack(
        ">6sH32s32s32sII", b"LUKS\xba\xbe", version, b"aes", b"xts-plain64", b"sha256", payload_sectors, 64
    )
    return header.ljust(payload_sectors * 512, b"\0") + bytes(10 * 512)


GOOD = {
    "qcow2": qcow2(),
    "vhd": vhd(),
    "vhdx": vhdx(),
    "vmdk": vmdk(),
    "vdi": vdi(),
    "iso": iso(),
    "gpt": gpt(),
    "luks": luks(),
}

VIRTUAL_SIZES = {
    **dict.fromkeys(GOOD, SIZE),
    "iso": 400 * 2048,
    "gpt": 4 * KIB,
    "luks": 10 * 512,
}
