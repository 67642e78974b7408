"""The `dataset.toml` of a user's own data: its keys, and the files that it may name."""

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from ...cell import Modality
from ...errors import BenchError, first_fault, unknown
from ...files import is_file, is_folder, is_possible, read_toml
from ...values import TimeUnit
from .policies import Policies
from .texts import Template

Text = Annotated[str, StringConstraints(max_length=1000)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=r"^[^\x00-\x1f\x7f]*$")]


def _possible(path: Path) -> Path:
    if str(path) == "." or not is_possible(path):
        raise ValueError("no file can have such a name")
    return path


Place = Annotated[Path, AfterValidator(_possible)]


class Section(BaseModel):
    """A table of the description: a misspelt key is an error, not a silence."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class InteractionColumns(Section):
    """Who took what, when."""

    file: Place
    """The table, of any format that is read; paths are relative to the description."""
    user: Name
    """The column that says who."""
    item: Name
    """The column with the item's id."""
    time: Name | None = None
    """The column that says when; without it rows stand in time order."""
    time_unit: TimeUnit | None = None
    """Of times that are numbers since 1970; dates need none."""

    @model_validator(mode="after")
    def _columns_differ(self) -> "InteractionColumns":
        if self.time_unit and not self.time:
            raise ValueError("'time_unit' stands without 'time': name the column or remove the unit")
        if self.user == self.item:
            raise ValueError("'user' and 'item' name the same column: correct one")
        return self


class ItemColumns(Section):
    """What an item is called and shows."""

    file: Place
    """A row an item, in a table of any format that is read."""
    id: Name
    """The column with the id."""
    text: Name | Annotated[list[Name], Field(min_length=1, max_length=100)] | None = None
    """One column, a list of them, read one after the other, or a template: `"{title}. {overview}"`."""
    image: Name | None = None
    """The column with the name of the picture's file, where it does not follow from the id."""

    @property
    def text_columns(self) -> list[str]:
        return list(Template.of(self.text).fields) if self.text else []


class Pictures(Section):
    """Where pictures lie: JPEG, PNG, WebP, GIF, BMP or TIFF."""

    folder: Annotated[Path, AfterValidator(lambda path: path if str(path) == "." else _possible(path))]
    """The folder, or a zip, which is read as it is; names of files are relative to it."""
    pattern: Name = "{id}.jpg"
    """How a file's name follows from the item's id, where no column says it."""

    @model_validator(mode="after")
    def _names_differ(self) -> "Pictures":
        if "{id}" not in self.pattern:
            raise ValueError(f"pattern '{self.pattern}' is the same for every item: put {{id}} into it")
        return self


class FeatureFiles(Section):
    """Vectors that stand for texts or pictures: `.npy` files, a row for each row of the items' table, in its order."""

    text: Place | None = None
    """Of the texts, float16, float32 or float64."""
    image: Place | None = None
    """Of the pictures."""

    @property
    def files(self) -> dict[Modality, Path]:
        """Those that are named."""
        named: dict[Modality, Path | None] = {"text": self.text, "image": self.image}
        return {modality: file for modality, file in named.items() if file}


class Description(Section):
    """A whole `dataset.toml`."""

    name: Name
    """What reports call it."""
    source: Text = ""
    """Where the data come from, shown in the report."""
    licence: Text = ""
    """Theirs, shown in the report."""
    folders: Annotated[list[Place], Field(max_length=100)] = []
    """Folders, beside the description's own, in which the named files may lie."""
    interactions: InteractionColumns
    """Who took what, when."""
    items: ItemColumns
    """What an item is called and shows."""
    images: Pictures | None = None
    """Where pictures lie, if there are any."""
    features: FeatureFiles = FeatureFiles()
    """Vectors that stand for texts or pictures, if there are any."""
    policies: Policies = Policies()
    """What becomes of dirt; every choice counts what it met."""

    @property
    def reading(self) -> dict[str, Any]:
        """What decides which data the files give, however it is written: no place, and nothing that is only shown."""
        items, pictures = self.items, self.images
        template = isinstance(items.text, str) and items.text not in items.text_columns
        chosen, features = self.policies.model_dump(exclude_defaults=True), list(self.features.files)
        later = ({"template": items.text} if template else {}) | ({"policies": chosen} if chosen else {})
        later |= {"features": features} if features else {}
        return later | {
            "interactions": self.interactions.model_dump(mode="json", exclude={"file"}),
            "items": {"id": items.id, "text": items.text_columns, "image": items.image},
            "pictures": pictures and {"pattern": None if items.image else pictures.pattern},
        }

    @model_validator(mode="after")
    def _pictures_somewhere(self) -> "Description":
        if self.items.image and not self.images:
            raise ValueError("items.image names pictures: add [images] with their folder")
        return self


def describe(path: Path) -> tuple[Path, Description]:
    """The description at `path` (a folder with `dataset.toml`, or such a file), its paths made absolute.

    BenchError, naming file and key, for whatever is wrong with it; no other file has been opened by then.
    """
    file = path / "dataset.toml" if is_folder(path) else path
    if not os.path.lexists(file):
        raise BenchError(f"{file}: there is no such file: a dataset of your own needs a dataset.toml")
    values = read_toml(file)
    try:
        description = Description.model_validate(values)
    except ValidationError as error:
        raise BenchError(f"{file}: {_refusal(error, values)}") from error
    _place(description, file)
    return file, description


def _place(description: Description, file: Path) -> None:
    """Makes the paths absolute; each must lie below the description's own folder or one that it lists."""
    base = file.resolve().parent
    allowed = [base]
    for number, folder in enumerate(description.folders):
        allowed.append(_absolute(base, folder))
        _refuse_whole_disk(allowed[-1], base, f"{file}: folders.{number}")
    for key in ("interactions", "items"):
        section: InteractionColumns | ItemColumns = getattr(description, key)
        section.file = _absolute(base, section.file)
        _refuse_outside(section.file, allowed, f"{file}: {key}.file")
    for modality, path in description.features.files.items():
        setattr(description.features, modality, _absolute(base, path))
        _refuse_outside(_absolute(base, path), allowed, f"{file}: features.{modality}")
    if description.images:
        folder = description.images.folder = _absolute(base, description.images.folder)
        _refuse_whole_disk(folder, base, f"{file}: images.folder")
        _refuse_outside(folder, allowed, f"{file}: images.folder")
        if not is_folder(folder) and not is_file(folder):
            raise BenchError(f"{file}: images.folder: there is no folder {folder}, nor a zip: correct the path")


def _absolute(base: Path, path: Path) -> Path:
    return Path(os.path.normpath(base / Path(path).expanduser() if str(path).startswith("~/") else base / path))


def _refuse_whole_disk(folder: Path, base: Path, key: str) -> None:
    real, own = (Path(os.path.realpath(path)) for path in (folder, base))  # resolve() fails on a loop of links
    if real.parent == real or (own.is_relative_to(real) and real != own):
        raise BenchError(f"{key}: {folder} holds more than this dataset: name a folder of its own")


def _refuse_outside(path: Path, allowed: list[Path], key: str) -> None:
    """BenchError for a file or folder that does not lie in an allowed folder, wherever links lead."""
    real = Path(os.path.realpath(path))
    if not any(real.is_relative_to(os.path.realpath(folder)) for folder in allowed):
        place = f"{path}, a link to {real}," if path.is_symlink() else path
        raise BenchError(
            f"{key}: {place} is outside the description's folder: move it there, or list its folder at the top: "
            f"folders = ['{real if is_folder(real) else real.parent}']"
        )


def _refusal(error: ValidationError, values: dict[str, Any]) -> str:
    """The key at fault, as it is written in the file, and what is wrong with it."""
    fault = first_fault(error, values)
    if fault.kind == "extra_forbidden":
        section = _SECTIONS.get(fault.keys[0], Description) if len(fault.keys) > 1 else Description
        return str(unknown("key", fault.key, [".".join([*fault.keys[:-1], key]) for key in section.model_fields]))
    if fault.kind == "missing":
        return f"'{fault.key}' is missing: add it"
    return f"{fault.key}: {fault.message}" if fault.key else fault.message


_SECTIONS: dict[str, type[BaseModel]] = {
    "interactions": InteractionColumns,
    "items": ItemColumns,
    "images": Pictures,
    "features": FeatureFiles,
    "policies": Policies,
}
