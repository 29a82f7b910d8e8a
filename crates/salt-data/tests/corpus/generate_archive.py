"""Writes the seeds in archive/: small archives of every kind, good ones and hostile ones.

    python3 generate_archive.py

Python 3.11 or later, standard library only.
"""

import gzip
import io
import pathlib
import struct
import tarfile
import zipfile

OUT = pathlib.Path(__file__).parent / "archive"
WHEN = (2020, 1, 2, 3, 4, 6)


def zip_of(*entries, method=zipfile.ZIP_DEFLATED, comment=b"", zip64=False, stream=False):
    out = io.BytesIO()
    if stream:
        out.seekable = lambda: False
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.comment = comment
        for name, content, mode in entries:
            info = zipfile.ZipInfo("x", WHEN)
            info.filename = name
            info.compress_type = method
            info.external_attr = mode << 16
            with archive.open(info, "w", force_zip64=zip64) as entry:
                entry.write(content)
    return out.getvalue()


def tar_of(*entries, kind=tarfile.GNU_FORMAT, pax=None):
    out = io.BytesIO()
    archive = tarfile.TarFile(fileobj=out, mode="w", format=kind, pax_headers=pax)
    for name, content, type_, link in entries:
        info = tarfile.TarInfo(name)
        info.size, info.type, info.linkname = len(content), type_, link
        archive.addfile(info, io.BytesIO(content))
    # Without the end that fills a record of 10 KiB.
    return out.getvalue() + bytes(1024)


def packed(content):
    return gzip.compress(content, mtime=0)


def overlapping():
    """Two names for one content."""
    archive = zip_of(("a", bytes(200), 0), ("b", b"", 0))
    at = archive.index(b"PK\1\2", archive.index(b"PK\1\2") + 1)
    first = archive[archive.index(b"PK\1\2"):at]
    second = first[:-1] + b"b"
    start = archive.index(b"PK\3\4", 4)
    directory = first + second
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 2, 2, len(directory), start, 0)
    return archive[:start] + directory + end


FILE, FOLDER = 0o100644, 0o040755
REG, DIR = tarfile.REGTYPE, tarfile.DIRTYPE
PICTURE = bytes(range(64)) * 4
SEEDS = {
    "stored.zip": zip_of(("set/a.png", PICTURE, FILE), ("b", b"x", FILE), method=zipfile.ZIP_STORED),
    "deflated.zip": zip_of(("set/", b"", FOLDER), ("set/a.png", PICTURE, FILE), comment=b"comment"),
    "streamed.zip": zip_of(("a", PICTURE, FILE), ("b", b"", FILE), stream=True),
    "zip64.zip": zip_of(("a", PICTURE, FILE), zip64=True),
    "unicode.zip": zip_of(("骨/é.png", b"x", FILE), ("__MACOSX/._a", b"x", FILE)),
    "slip.zip": zip_of(("good", b"x", FILE), ("../../evil", b"x", FILE)),
    "backslash.zip": zip_of(("a\\..\\..\\evil", b"x", FILE)),
    "absolute.zip": zip_of(("/evil", b"x", FILE)),
    "link.zip": zip_of(("d", b"../..", 0o120777), ("d/evil", b"x", FILE)),
    "case.zip": zip_of(("a/b", b"1", FILE), ("A/b", b"2", FILE)),
    "clash.zip": zip_of(("a", b"1", FILE), ("a/b", b"2", FILE)),
    "bomb.zip": zip_of(("zeros", bytes(1 << 20), FILE)),
    "overlap.zip": overlapping(),
    "two.zip": zip_of(("a", b"1", FILE)) + zip_of(("b", b"2", FILE)),
    "plain.tar": tar_of(("set", b"", DIR, ""), ("set/a.png", PICTURE, REG, ""), kind=tarfile.USTAR_FORMAT),
    "long.tar": tar_of(("d/" * 3 + "n" * 120, b"x", REG, "")),
    "pax.tar": tar_of(("骨" * 40, b"x", REG, ""), kind=tarfile.PAX_FORMAT, pax={"comment": "c"}),
    "slip.tar": tar_of(("../../evil", b"x", REG, "")),
    "long_slip.tar": tar_of(("n" * 110 + "/../../../evil", b"x", REG, "")),
    "pax_path.tar.gz": packed(tar_of(("good", b"x", REG, ""), kind=tarfile.PAX_FORMAT, pax={"path": "../evil"})),
    # A checksum that is no number, and a name that moves the cursor where an error quotes it.
    "cursor.tar": tar_of(("a", b"", REG, ""))[:512] + b"\x1b[2J\n".ljust(148, b"\0") + b"nnnnnnnn".ljust(364, b"\0"),
    "links.tar": tar_of(("d", b"", tarfile.SYMTYPE, ".."), ("d/evil", b"x", REG, "")),
    "hard.tar": tar_of(("a", b"x", REG, ""), ("b", b"", tarfile.LNKTYPE, "a")),
    "device.tar": tar_of(("a", b"", tarfile.CHRTYPE, "")),
    "good.tar.gz": packed(tar_of(("set/a.png", PICTURE, REG, ""), ("._a", b"x", REG, ""))),
    "bomb.tar.gz": packed(tar_of(("zeros", bytes(1 << 20), REG, ""))),
    "single.gz": packed(PICTURE),
    "members.gz": packed(b"one") + packed(b"") + packed(b"two"),
    "empty.zip": zip_of(),
    "page.html": b"<!DOCTYPE html><html>Log in</html>",
}

OUT.mkdir(exist_ok=True)
for old in OUT.iterdir():
    old.unlink()
for name, content in SEEDS.items():
    (OUT / name).write_bytes(content)
print(f"{len(SEEDS)} seeds, {sum(map(len, SEEDS.values()))} bytes")
