"""Where a study may write: not among pictures. A dataset's or a model's folder may hold results, a model's no cache."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from ...datasets.sources.registry import open_source
from ...files import CACHE_FOLDERS, cache_directory
from ...methods.backbones.source import BackboneSource
from ...ownership import refuse_inside
from ..worker.places import Places


def check_study_output(read: Iterable[Places], directory: Path) -> None:
    """BenchError when a study's directory, or the cache, is a folder of which its cells read every file."""
    places = list(read)
    data = list(_data(places))
    for folder, what in data:
        refuse_inside(directory, folder, "--out", what)
    for folder, what in [*data, *_towers(places)]:
        for kept in CACHE_FOLDERS:
            refuse_inside(cache_directory() / kept, folder, "TPMEBENCH_CACHE", what)


def _data(read: list[Places]) -> Iterator[tuple[Path, str]]:
    """Folders in which a new file would count as part of the data, each with what it holds."""
    for dataset in dict.fromkeys(places.dataset for places in read):
        for folder in open_source(dataset).picture_folders():
            yield folder, f"the pictures of dataset '{dataset}'"


def _towers(read: list[Places]) -> Iterator[tuple[Path, str]]:
    """Folders in which a new file would count as part of a model."""
    towers = [BackboneSource("text", places.text) for places in read if places.text]
    towers += [BackboneSource("image", places.image) for places in read if places.image]
    for tower in dict.fromkeys(towers):
        if tower.name not in tower.names and Path(tower.name).expanduser().is_dir():
            yield Path(tower.name).expanduser(), f"the files of backbone '{tower.name}'"
