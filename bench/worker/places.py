"""Where the parts of a cell stand on this machine. A record holds only what they are called; the job carries this."""

from pydantic import BaseModel

from ...cell import Cell


class Places(BaseModel):
    """The dataset, the towers and the method of a cell as they were named to us: what loads them."""

    dataset: str
    text: str | None
    image: str | None
    method: str

    @classmethod
    def of(cls, cell: Cell) -> "Places":
        """Those of a cell whose parts need no path: built in, or on the hub."""
        return cls(dataset=cell.dataset, text=cell.backbones.text, image=cell.backbones.image, method=cell.method)
