"""The inspectors of oslo.utils, put right where they take what they should refuse, or refuse what is good.

Each is a subclass, so that what oslo.utils does well, or will do better, stays there. It takes images that have a
parent, whose data whoever opens the image would read: VHD and VDI of the differencing kind, VHDX with HasParent, VMDK
with another CID, or with a name where only qemu looks. It takes a VMDK of several extents, and an image of another
format that begins with a VMDK's list of files. It refuses good ones: a fixed VHD, whose only header is at its end;
extended_l2 of qcow2; a VMDK with a name that is not ASCII; an ISO that is UDF only.
"""

from __future__ import annotations

import re
import struct
import uuid

from oslo_utils.imageutils import format_inspector
from oslo_utils.imageutils.format_inspector import CaptureRegion, FileInspector, SafetyCheck, SafetyViolation

KIB = 1024
HAS_PARENT = "Image has a parent"


class Qcow2(format_inspector.QcowInspector):
    I_FEATURES_MAX_BIT = 5  # extended_l2 is the last one known: the bits below are taken

    def check_data_file(self) -> None:
        """Version 2 has no such field: other data is in its place."""
        if self.qemu_header_info.get("version") != 2:
            super().check_data_file()


class Vhd(format_inspector.VHDInspector):
    """A footer is at the end of every VHD, and a copy of it at the start of a dynamic one. Both are looked at: some
    readers go by the one, some by the other."""

    FOOTER = 512
    FIXED, DYNAMIC, DIFFERENCING = 2, 3, 4

    def _initialize(self) -> None:
        super()._initialize()
        self._tail = b""
        self.add_safety_check(SafetyCheck("type", self._check_types))

    def eat_chunk(self, chunk: bytes) -> None:
        super().eat_chunk(chunk)
        self._tail = (self._tail + chunk[-self.FOOTER :])[-self.FOOTER :]

    @property
    def format_match(self) -> bool:
        return bool(self._footers())

    @property
    def undecided(self) -> bool:
        """Whether it may be a fixed VHD, which only its end will tell."""
        return not self._finished

    @property
    def virtual_size(self) -> int:
        """The present size, which a resize changes; oslo.utils has the original one."""
        footers = self._footers()
        size: int = struct.unpack_from(">Q", footers[-1], 48)[0] if footers else 0
        return size

    def _footers(self) -> list[bytes]:
        ends = [self._tail] if self._finished and self._total_count >= self.FOOTER else []
        return [data for data in (bytes(self.region("header").data), *ends) if data.startswith(b"conectix")]

    def _check_types(self) -> None:
        types = [struct.unpack_from(">I", footer, 60)[0] for footer in self._footers()]
        if self.DIFFERENCING in types:
            raise SafetyViolation(HAS_PARENT)
        if len({*types}) > 1 or not {self.FIXED, self.DYNAMIC}.issuperset(types):
            raise SafetyViolation("Its type is unknown or ambiguous")
        if len({footer[48:56] for footer in self._footers()}) > 1:
            raise SafetyViolation("Its two sizes differ")


class Vhdx(format_inspector.VHDXInspector):
    """What a reader sees may be elsewhere than where oslo.utils looks: in the second table of regions where the first
    is broken, or in the log, which is written over the image when it is opened. Neither may say anything else."""

    PARAMETERS = "CAA16737-FA36-4D43-B3B6-33F0AA44E76B"
    PARENT_LOCATOR = "A8D35F2D-B30B-454D-ABF7-D3D84834AB0C"
    HAS_PARENT_BIT = 2
    HEADERS = (("first", 64 * KIB), ("second", 128 * KIB))
    SEQUENCE, LOG = 8, slice(48, 64)

    def _initialize(self) -> None:
        super()._initialize()
        self.new_region("copy", CaptureRegion(256 * KIB, 64 * KIB))
        for name, start in self.HEADERS:
            self.new_region(name, CaptureRegion(start, 4 * KIB))
        for name, check in (("parent", self._check_parent), ("table", self._check_table), ("log", self._check_log)):
            self.add_safety_check(SafetyCheck(name, check))

    def post_process(self) -> None:
        super().post_process()
        if self.has_region("metadata") and not self.has_region("parameters"):
            region = self._find_meta_entry(self.PARAMETERS)
            if region is not None:
                self.new_region("parameters", region)

    def _check_parent(self) -> None:
        items = self._items()
        if items.count(self.PARAMETERS) != 1:
            raise SafetyViolation("Its metadata is incomplete or ambiguous")
        (flags,) = struct.unpack_from("<I", self.region("parameters").data, 4)
        if flags & self.HAS_PARENT_BIT or self.PARENT_LOCATOR in items:
            raise SafetyViolation(HAS_PARENT)

    def _check_table(self) -> None:
        if self.region("copy").data != self.region("header").data:
            raise SafetyViolation("Its two tables of regions differ")

    def _check_log(self) -> None:
        """The log is that of the newer header; one with a wrong checksum does not count."""
        headers = [bytes(self.region(name).data) for name, _ in self.HEADERS]
        valid = [header for header in headers if _is_valid(header)]
        newer = max(valid, key=lambda header: struct.unpack_from("<Q", header, self.SEQUENCE)[0], default=b"")
        if any(newer[self.LOG]):
            raise SafetyViolation("It was not closed: its log is not empty")

    def _items(self) -> list[str]:
        """The identifiers in the table of metadata."""
        table = bytes(self.region("metadata").data)
        (count,) = struct.unpack_from("<H", table, 10)
        starts = range(32, 32 + 32 * count, 32)
        return [str(uuid.UUID(bytes_le=table[start : start + 16])).upper() for start in starts]


def _is_valid(header: bytes) -> bool:
    (checksum,) = struct.unpack_from("<I", header, 4)
    return header.startswith(b"head") and crc32c(header[:4] + bytes(4) + header[8:]) == checksum


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli), which the standard library does not have; a few KiB at most."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


class Vdi(format_inspector.VDIInspector):
    VERSION = 0x00010001  # in another one the fields below are elsewhere
    DYNAMIC, STATIC = 1, 2
    LINKS = slice(0x1A8, 0x1C8)
    """The identifiers of the image that this one continues, and of its parent."""

    def _initialize(self) -> None:
        super()._initialize()
        self.add_safety_check(SafetyCheck("parent", self._check_parent))

    def _check_parent(self) -> None:
        header = self.region("header").data
        version, kind = struct.unpack_from("<I4xI", header, 0x44)
        if version != self.VERSION:
            raise SafetyViolation("Its version is unknown")
        if kind not in (self.DYNAMIC, self.STATIC) or any(header[self.LINKS]):
            raise SafetyViolation(HAS_PARENT)


class Vmdk(format_inspector.VMDKInspector):
    """What qemu goes by is looked at, not what the header says of it: the first bytes tell that this is a text with the
    names of other files, and the parent's name is in the first sectors, however long the descriptor is said to be."""

    BEGINNING = 21 * 512
    OTHER_FILES = re.compile(rb"COWD|(?:[ \t\r]*\n|#[^\n]*\n)*[ \t]*version[ \t]*=", re.IGNORECASE)
    ACCESS = ("rw", "rdonly", "noaccess")

    def _initialize(self) -> None:
        super()._initialize()
        self.new_region("beginning", CaptureRegion(0, self.BEGINNING, min_length=4))
        self.add_safety_check(SafetyCheck("references", self._check_references))

    @property
    def format_match(self) -> bool:
        return self._names_files() or super().format_match

    def post_process(self) -> None:
        """A text may go on with anything: oslo.utils takes it for one only if 512 bytes are ASCII."""
        if self._names_files() and self.has_region("header"):
            self.delete_region("header")
        super().post_process()

    def _names_files(self) -> bool:
        return self.OTHER_FILES.match(self.region("beginning").data[:512]) is not None

    def _parse_descriptor(self) -> None:
        """In whatever encoding a name is: all that the checks look for is ASCII."""
        region = self.region("descriptor")
        given = bytes(region.data)
        region.data = given.decode("latin-1").encode("ascii", "replace")
        super()._parse_descriptor()
        region.data = given

    def _check_references(self) -> None:
        if self._extents_are_elsewhere():
            raise SafetyViolation("Extents are in other files")
        if self.has_region("footer") and self._capacity("footer", 512) != self._capacity("header"):
            raise SafetyViolation("Header and footer sizes do not match")
        fields = ["".join(line.split()) for line in self._lines()]
        parents = [field for field in fields if field.startswith("parentcid=") and field != "parentcid=ffffffff"]
        texts = ((self.desc_text or "").encode(), self.region("beginning").data.lower())
        if parents or any(b"parentfilenamehint" in text for text in texts):
            raise SafetyViolation(HAS_PARENT)

    def _extents_are_elsewhere(self) -> bool:
        """The only extent has to be this file."""
        if not self.has_region("header") or self._capacity("header") == 0:
            return True
        extents = [words for line in self._lines() if (words := line.split()) and words[0] in self.ACCESS]
        kinds = [kind for words in extents for kind in words[2:3]]
        return kinds != ["sparse"] or any("\\" in word for word in extents[0])

    def _capacity(self, region: str, start: int = 0) -> int:
        sectors: int = struct.unpack_from("<Q", self.region(region).data, start + 12)[0]
        return sectors

    def _lines(self) -> list[str]:
        return (self.desc_text or "").splitlines()


class Iso(format_inspector.ISOInspector):
    """ISO 9660, UDF, or both. UDF alone begins with BEA01; what it is follows in one of the next sectors."""

    SECTOR = 2048
    UDF = (b"NSR02", b"NSR03")

    def _initialize(self) -> None:
        super()._initialize()
        self.new_region("sequence", CaptureRegion(16 * self.SECTOR, 16 * self.SECTOR, min_length=self.SECTOR))

    @property
    def format_match(self) -> bool:
        return super().format_match or (self.complete and self._is_udf())

    def _is_udf(self) -> bool:
        data = self.region("sequence").data
        first, *others = [bytes(data[start + 1 : start + 6]) for start in range(0, len(data), self.SECTOR)]
        return first == b"BEA01" and any(other in self.UDF for other in others)


_OURS: dict[str, type[FileInspector]] = {
    "qcow2": Qcow2, "vhd": Vhd, "vhdx": Vhdx, "vdi": Vdi, "vmdk": Vmdk, "iso": Iso,
}  # fmt: skip


def inspector_of(disk_format: str) -> FileInspector | None:
    """A new inspector for one stream; None for a format that nobody can look into."""
    kind = _OURS.get(disk_format) or format_inspector.get_inspector(disk_format)
    return None if kind is None else kind()
