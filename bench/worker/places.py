"""Where the parts of a cell stand on this machine, and what it trained. A record holds only what its parts are called;
the job carries this.
"""

from pathlib import Path

from pydantic import BaseModel

from ...cell import Cell, Modality


class Places(BaseModel):
    """The dataset, the towers, the method and the task of a cell as they were named to us: what loads them."""

    dataset: str
    text: str | None
    image: str | None
    method: str
    task: str

    @property
    def towers(self) -> dict[Modality, str]:
        """The towers that there are, in the fixed order text, image."""
        named: dict[Modality, str | None] = {"text": self.text, "image": self.image}
        return {modality: place for modality, place in named.items() if place}

    @classmethod
    def of(cls, cell: Cell) -> "Places":
        """Those of a cell whose parts need no path: built in, or on the hub."""
        text, image = cell.backbones.text, cell.backbones.image
        return cls(dataset=cell.dataset, text=text, image=image, method=cell.method, task=cell.task)


def saved_path(directory: Path, cell_id: str) -> Path:
    """Where in a study's directory the parameters of a cell's best epoch stand, of one that was run with `--save`."""
    return directory / "saved" / f"{cell_id}.safetensors"
