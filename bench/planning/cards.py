"""GPUs by name: what their data sheets say, read from `cards/` or from a file of the user's own in the same form."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...errors import BenchError, first_fault, quoted, unknown
from ...files import read_toml
from ...values import MemorySize, Name, Note, size_in_bytes, written_size

CARDS = Path(__file__).parent / "cards"

Rate = Annotated[float, Field(gt=0, le=1e18)]
"""Of bytes or operations a second."""


class Rates(BaseModel):
    """Operations a second of matrix products by what they compute in, a multiply-add as two, of DENSE matrices.

    A data sheet that stars its numbers "with sparsity" has twice as much.
    """

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True)

    float32: Rate
    """Without tensor cores, as torch multiplies float32 unless it is told otherwise."""
    tf32: Rate | None = None
    """Of tensor cores that round float32, which torch's convolutions use; none where a card has none."""
    float16: Rate
    """With sums in float32, as torch asks for."""
    bfloat16: Rate
    """The same; of a card without such tensor cores, that of float32."""


class Card(BaseModel):
    """A GPU as its data sheet describes it, and what is assumed of it."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True)

    name: Name
    """What reports call it."""
    memory: MemorySize
    """All of it, `80GB`: a data sheet's GB are 10⁹ bytes here, of which most cards have somewhat more."""
    bandwidth: Rate
    """Bytes a second between memory and chip."""
    cache: MemorySize
    """The L2 cache, which saves bytes their way to the memory."""
    rates: Rates
    """Of matrix products."""
    launch: Annotated[float, Field(gt=0, le=1e-3)]
    """Seconds between the starts of two kernels, at least: an assumption, which no data sheet states."""
    context: MemorySize
    """What the driver's context and the libraries' kernels hold beside tensors: an assumption."""
    workspaces: MemorySize
    """What kernels work in beside tensors: an assumption."""
    source: Note
    """The document that says it, and what of it could not be checked."""

    @property
    def memory_bytes(self) -> int:
        return size_in_bytes(self.memory)

    @property
    def allowance(self) -> int:
        """Bytes beside live tensors: a stated assumption, never part of a peak."""
        return size_in_bytes(self.context) + size_in_bytes(self.workspaces)


def names() -> list[str]:
    """The cards that ship, sorted."""
    return sorted(path.stem for path in CARDS.glob("*.toml"))


def find_card(name: str) -> Card:
    """A card that ships, or one that a file `….toml` describes. BenchError names the card, or the file and key."""
    if name in names():
        return read_card(CARDS / f"{name}.toml")
    if not name.endswith(".toml"):
        raise unknown("card", name, [*names(), "a .toml file"])
    return read_card(Path(name))


def read_limit(text: str) -> str:
    """A size as `--memory-limit` has it. BenchError for what is none."""
    try:
        return written_size(size_in_bytes(text))
    except ValueError as error:
        raise BenchError(f"--memory-limit {quoted(text)}: {error}") from error


def read_card(path: Path) -> Card:
    """The card in a file. BenchError names the file and the key at fault."""
    values = read_toml(path)
    try:
        return Card.model_validate(values)
    except ValidationError as error:
        fault = first_fault(error, values)
        if fault.kind == "extra_forbidden":
            section = Rates if len(fault.keys) > 1 else Card
            known = [".".join([*fault.keys[:-1], key]) for key in section.model_fields]
            raise BenchError(f"{path}: {unknown('key', fault.key, known)}") from error
        missing = "it is missing" if fault.kind == "missing" else fault.message
        raise BenchError(f"{path}: '{fault.key}': {missing}") from error
