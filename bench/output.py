"""Where a study may write: nowhere that holds somebody's data, model or cache."""

from collections.abc import Iterator
from pathlib import Path

from ..datasets.sources import picture_folders
from ..methods.backbones import BackboneSource, parse_pair
from ..ownership import check_output, refuse_inside
from .study import Study


def check_study_output(study: Study, directory: Path) -> None:
    """BenchError when a study's directory holds files that are not ours, or is one that the study reads from."""
    check_output(directory, "--out")
    for folder, what in _read_by(study):
        refuse_inside(directory, folder, "--out", what)


def _read_by(study: Study) -> Iterator[tuple[Path, str]]:
    """Folders in which a new file would count as part of the data or the model, each with what it holds."""
    for dataset in study.datasets:
        for folder in picture_folders(dataset):
            yield folder, f"the pictures of dataset '{dataset}'"
    for pair in study.backbones:
        text, image = parse_pair(pair)
        towers = [
            BackboneSource("text", study.text_backbone or text, study.weights),
            BackboneSource("image", study.image_backbone or image, study.weights),
        ]
        for tower in towers:
            if study.modalities in ("both", tower.modality) and tower.is_local:
                yield Path(tower.location), f"the files of backbone '{tower.name}'"
