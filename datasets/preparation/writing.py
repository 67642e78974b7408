"""The tables of a prepared folder, as Parquet whose bytes depend on what is in them alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ...cell import Modality
from ...files import atomic_path, write_atomic
from ..features import Features
from ..raw import RawData
from .card import FEATURES, INTERACTIONS, ITEMS, LINKS, USERS, FileName
from .packing import Packed
from .selection import Selection

_ROWS = 1 << 20
_BLOCK_BYTES = 1 << 24


def write_interactions(folder: Path, selection: Selection) -> None:
    """`user` and `item` as rows of the other tables, and `time`, `rating` and `part` where there are any."""
    given = selection.interactions
    columns: dict[str, np.ndarray] = {"user": given.users.astype(np.int32), "item": given.items.astype(np.int32)}
    for name, values in (("time", given.times), ("rating", given.ratings), ("part", given.parts)):
        if values is not None:
            columns[name] = values.astype(np.int8) if name == "part" else values
    _write(folder / INTERACTIONS, pa.table(columns))


def write_users(folder: Path, selection: Selection, names: Sequence[str] | None) -> None:
    """`id`, and `window` where histories were cut: a row a sequence."""
    owners = selection.users.tolist()
    ids = [names[code] for code in owners] if names is not None else [str(code + 1) for code in owners]
    columns: dict[str, pa.Array] = {"id": pa.array(ids, pa.string())}
    if selection.windows is not None:
        columns["window"] = pa.array(selection.windows.astype(np.int32))
    _write(folder / USERS, pa.table(columns))


def write_items(folder: Path, rows: np.ndarray, raw: RawData, packed: Packed | None) -> None:
    """`id`, and where there are any `text`, the place of the picture among all, and the `link` to one."""
    chosen = rows.tolist()
    columns = {"id": pa.array([raw.ids[row] for row in chosen], pa.string())}
    if raw.texts is not None:
        columns["text"] = pa.array([str(raw.texts[row]) for row in chosen], pa.string())
    if packed is not None:
        none = packed.sizes == 0
        columns["picture_offset"] = pa.array(packed.offsets, mask=none)
        columns["picture_size"] = pa.array(packed.sizes, mask=none)
        columns["picture_sha256"] = pa.array(packed.digests, pa.string())
    if raw.links is not None:
        columns["link"] = pa.array([raw.links[row] or None for row in chosen], pa.string())
    _write(folder / ITEMS, pa.table(columns))


def write_links(folder: Path, rows: np.ndarray, raw: RawData, packed: Packed | None) -> bool:
    """`images.tsv`, id and address of each picture that is only linked; whether there are any."""
    if raw.links is None:
        return False
    there = np.zeros(len(rows), dtype=bool) if packed is None else packed.sizes > 0
    lines = []
    for row, has_picture in zip(rows.tolist(), there.tolist(), strict=True):
        link, item = raw.links[row], raw.ids[row]
        if link and not has_picture and f"{link}{item}".isprintable():
            lines.append(f"{item}\t{link}\n")
    if lines:
        write_atomic(folder / LINKS, "".join(["id\turl\n", *lines]))
    return bool(lines)


def write_features(folder: Path, rows: np.ndarray, features: Mapping[Modality, Features]) -> list[FileName]:
    """The vectors of some items, a `.npy` file of float16 or float32 each modality; the files' names."""
    for modality, vectors in features.items():
        dtype = np.dtype("<f2" if vectors.dtype == "float16" else "<f4")
        header = {"descr": dtype.str, "fortran_order": False, "shape": (len(rows), vectors.width)}
        step = max(1, _BLOCK_BYTES // (4 * vectors.width))
        with atomic_path(folder / FEATURES[modality]) as temporary, temporary.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            for begin in range(0, len(rows), step):
                file.write(vectors.read(rows[begin : begin + step]).astype(dtype).data)
    return [FEATURES[modality] for modality in features]


def _write(path: Path, table: pa.Table) -> None:
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", row_group_size=_ROWS)
