"""Where pictures lie: below a folder, or in a zip, which is read in place and never unpacked."""

import io
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from ...errors import BenchError
from ...files import is_file, is_folder, open_file, reason

PICTURE_BYTES = 1 << 28
"""The largest file of a picture; some decoders read all of it before they look at what it holds."""
MEMBER_BYTES = 1 << 26
"""The largest picture in a zip, which is held in memory whole."""
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar")


class PictureFile(Protocol):
    """A picture's bytes, wherever they are. Errors call it by `str()` of it, its folder or zip by `name`."""

    @property
    def name(self) -> str: ...

    def open(self) -> AbstractContextManager[IO[bytes]]:
        """Its bytes, for a block; BenchError when there are too many or they cannot be read."""
        ...

    def stamp(self) -> str:
        """What changes when its bytes do, found without reading them."""
        ...


@dataclass(frozen=True)
class FileOnDisk:
    """A file of its own; `name` below the folder of the pictures."""

    path: Path
    name: str

    def __str__(self) -> str:
        return str(self.path)

    def open(self) -> AbstractContextManager[IO[bytes]]:
        return open_file(self.path, PICTURE_BYTES)

    def stamp(self) -> str:
        try:
            about = self.path.stat()
        except OSError:
            return "gone"
        return f"{about.st_size} {about.st_mtime_ns}"


@dataclass(frozen=True)
class Member:
    """A file in a zip."""

    archive: zipfile.ZipFile
    info: zipfile.ZipInfo

    def __str__(self) -> str:
        return f"{self.archive.filename}/{self.name}"

    @property
    def name(self) -> str:
        return self.info.filename

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        if self.info.file_size > MEMBER_BYTES:
            raise BenchError(
                f"{self}: more than the {MEMBER_BYTES >> 20} MB that a picture in a zip may have: unpack it"
            )
        try:
            content = self.archive.read(self.info)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
            raise BenchError(f"{self}: damaged in the archive ({reason(error)}): pack it again") from error
        yield io.BytesIO(content)

    def stamp(self) -> str:
        return f"{self.info.file_size} {self.info.CRC}"


@dataclass(frozen=True)
class Place:
    """The files below a folder or in a zip: bytes of each by its relative name, with `/` between the parts.

    `refused`: those that are never opened, and why: what is linked to, or named, outside.
    """

    path: Path
    sizes: Mapping[str, int]
    refused: Mapping[str, str]
    archive: zipfile.ZipFile | None = None

    def file(self, name: str) -> PictureFile:
        """The file of a name that is among `sizes`."""
        if self.archive is None:
            return FileOnDisk(self.path / name, name)
        return Member(self.archive, self.archive.getinfo(name))

    def listed(self) -> list[str]:
        """Every file as `name size`, sorted: as text whatever the system calls it, for a name need not be UTF-8."""
        shown = (os.fsencode(name).decode("utf-8", "backslashreplace") for name in self.sizes)
        return sorted(f"{name} {size}" for name, size in zip(shown, self.sizes.values(), strict=True))


def as_file(path: Path | PictureFile) -> PictureFile:
    """A path as a file of pictures."""
    return FileOnDisk(path, path.name) if isinstance(path, Path) else path


def open_place(path: Path, allowed: Sequence[Path] = ()) -> Place:
    """The files of a folder (links are followed to `allowed` folders and the folder itself) or of a zip.

    BenchError for what is neither, cannot be looked through, or links to a folder elsewhere.
    """
    if is_folder(path):
        return _folder(path, [path, *allowed])
    if not is_file(path):
        raise BenchError(f"{path}: there is no such folder or zip of pictures: correct the path")
    return _zip(path)


def listed(path: Path) -> list[str]:
    """Every file of a place as `name size`, sorted."""
    return open_place(path).listed()


def _folder(folder: Path, allowed: Sequence[Path]) -> Place:
    """Every file below a folder; linked folders are entered too, each but once."""
    sizes, refused = dict[str, int](), dict[str, str]()
    waiting, entered = [folder], set[tuple[int, int]]()
    within = [Path(os.path.realpath(place)) for place in allowed]
    while waiting:
        here = waiting.pop()
        try:
            about = here.stat()
            if (about.st_dev, about.st_ino) in entered:
                continue
            entered.add((about.st_dev, about.st_ino))
            with os.scandir(here) as entries:
                for entry in entries:
                    if entry.is_dir():
                        if entry.is_symlink():
                            _refuse_above(entry.path, folder)
                        waiting.append(Path(entry.path))
                    elif entry.is_file():
                        name = str(Path(entry.path).relative_to(folder))
                        sizes[name] = entry.stat().st_size
                        if entry.is_symlink() and not _lies_in(entry.path, within):
                            refused[name] = "a link out of the picture folder"
        except OSError as error:
            place = error.filename or here
            raise BenchError(f"{place}: cannot be looked through ({error.strerror}): mend or remove it") from error
    return Place(folder, sizes, refused)


def _lies_in(link: str, folders: Sequence[Path]) -> bool:
    real = Path(os.path.realpath(link))
    return any(real.is_relative_to(folder) for folder in folders)


def _refuse_above(link: str, folder: Path) -> None:
    """BenchError for a link to a folder in which this one lies: the whole disk, it may be."""
    real = os.path.realpath(link)
    if Path(os.path.realpath(folder)).parent.is_relative_to(real):
        raise BenchError(f"{link}: a link to {real}, which holds more than pictures: remove it")


def _zip(path: Path) -> Place:
    """Every member of a zip; of those that name a place outside, are links or encrypted, it is said why."""
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise BenchError(
            f"{path}: neither a folder nor a whole zip ({reason(error)}): name the folder of the pictures, unpacked"
        ) from error
    members = [info for info in archive.infolist() if not info.is_dir()]
    sizes = {info.filename: info.file_size for info in members}
    refused = {info.filename: why for info in members if (why := _unread(info))}
    if members and all(info.filename.lower().endswith(_ARCHIVES) for info in members):
        raise BenchError(f"{path}: holds nothing but archives ({members[0].filename}): unpack it")
    return Place(path, sizes, refused, archive)


def _unread(info: zipfile.ZipInfo) -> str:
    parts = info.filename.replace("\\", "/").split("/")
    if ".." in parts or parts[0] == "" or parts[0].endswith(":"):
        return "its name leads out of the archive"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "a link in an archive"
    return "encrypted" if info.flag_bits & 1 else ""
