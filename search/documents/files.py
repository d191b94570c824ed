"""Opening a file a user named, whatever it turns out to be: only regular files of a sensible size get through."""

from __future__ import annotations

import stat
from pathlib import Path

from grouping.errors import InputError

__all__ = ["check_regular_file", "decode_utf8"]

_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def check_regular_file(path: Path, *, largest: int, kind: type[InputError]) -> int:
    """Refuse everything that is not a readable regular file of at most ``largest`` bytes, without opening it.

    Pipes and devices are never opened: reading them might not end.

    Returns:
        The size in bytes.

    Raises:
        InputError: as ``kind``; missing, a folder, a pipe or device, a loop of links, unreadable, too large.
    """
    where = str(path)
    try:
        status = path.stat()
    except FileNotFoundError:
        from grouping.files.neighbours import nearest_file  # its package brings in pandas

        raise kind("no such file", where=where, fix=nearest_file(path)) from None
    except PermissionError:
        raise kind("no permission to look at it", where=where, fix="Make the file and its folder readable") from None
    except (OSError, ValueError) as error:  # a loop of links, a name too long, a NUL in the name
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise kind(f"cannot be opened: {reason}", where=ascii(where)[1:-1][:200], fix="Check the path") from None
    if stat.S_ISDIR(status.st_mode):
        raise kind("is a folder, a file is needed", where=where, fix="Name a file inside it")
    if not stat.S_ISREG(status.st_mode):
        raise kind("is not a regular file (a pipe or a device)", where=where, fix="Save the content as a file first")
    if status.st_size > largest:
        raise kind(
            f"has {status.st_size:,} bytes, at most {largest:,} are read", where=where, fix="Give a smaller file"
        )
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise kind(f"cannot be read: {error.strerror}", where=where, fix="Make the file readable") from None
    return status.st_size


def decode_utf8(raw: bytes, where: str, kind: type[InputError]) -> str:
    """The bytes as text; a byte-order mark of UTF-8 is dropped, every other encoding is refused.

    Raises:
        InputError: as ``kind``; UTF-16, or a byte that is not UTF-8 (its line is named).
    """
    if raw.startswith(_UTF16_MARKS):
        raise kind("is UTF-16 text", where=where, fix="Save it as UTF-8")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise kind(
            f"byte 0x{raw[error.start]:02x} is not UTF-8 text", where=f"{where}:{line}", fix="Save it as UTF-8"
        ) from None
