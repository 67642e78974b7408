"""Named, local or hub backbones: their shapes, towers, tokenizers and fingerprints."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...cell import Modality, Pooling, Weights
from ...datasets.features import Features
from ...errors import BenchError
from ...files import canonical_json, digest, file_digest
from ...naming import short_name
from .anatomy import Anatomy, Place
from .hugging_face import transformers_quietly
from .inspection import inspect
from .loading import build_model, config_of, copy_of_same_weights, load_model, own_names, part_of
from .memory import remembered
from .model_folder import READ, check_files, check_no_adapter, loading_fault
from .names import FEATURES, MICRO, WITHOUT_MODEL, Named, place_of, towers
from .numbered import NUMBERED, FeatureTower, GeneratedTower, NumberedTower, numbered_shape
from .pixels import FILES, HALF, USUAL_SIDE, Normalisation, Pixels, read_pixels
from .preprocessing import CostTokenizer, PretrainedTokenizer, Tokenizer, has_tokenizer
from .stated_pooling import POOLING_FILE, stated_pooling
from .tower import Tower, TowerShape
from .trial import Frame, Items

_RANDOM_SEED = 20240


@dataclass(frozen=True)
class BackboneSource:
    """One backbone as chosen: a name of the tables above, a local folder in Hugging Face layout, or a hub id.

    `features`: what the tower of that name reads, once the dataset is.
    """

    modality: Modality
    name: str
    weights: Weights = "pretrained"
    pooling: Pooling = "auto"
    features: Features | None = None

    @cached_property
    def location(self) -> str:
        """The folder or hub id. BenchError for a name that is neither."""
        place = place_of(self.modality, self.name)
        if self.name not in self.names and Path(place).is_dir():
            self._check_folder(Path(place))
        return place

    @property
    def label(self) -> str:
        """What the tower is called wherever it stands: its name, its folder's name, or its hub id."""
        named = self.name in self.names or not self.is_local
        return self.name if named else short_name(str(Path(self.location).resolve()))

    @property
    def names(self) -> dict[str, Named]:
        """The towers of this modality that go by a short name."""
        return towers(self.modality)

    @property
    def is_model(self) -> bool:
        """Whether there is a model, which reads texts or pictures; else states follow from an item's number."""
        return self.name not in WITHOUT_MODEL

    @property
    def is_shipped(self) -> bool:
        """Whether it comes with the suite, and so is known to load and to run."""
        return Path(self.location).parent == MICRO

    @property
    def is_local(self) -> bool:
        """Whether the files are on this disk already, known by path."""
        return Path(self.location).is_dir()

    def fingerprint(self) -> str:
        """Hash of what decides the tower's outputs: its files, or the seed of random weights.

        Of a hub id it is the revision that this machine has; "" when it has none yet.
        """
        if not self.is_model:
            return digest(NUMBERED[self.name].version)
        if not self.is_local and self.weights == "pretrained":
            return self.revision or ""
        if self.weights == "random":
            shape = self.config.to_dict() | {"_name_or_path": ""}  # the same wherever the folder stands
            return digest("random", canonical_json(shape), str(_RANDOM_SEED), torch.__version__)
        return self._files

    @cached_property
    def _files(self) -> str:
        """Hash of a folder's files: weights of a gigabyte take seconds."""
        folder = Path(self.location)
        files = sorted(path for path in folder.iterdir() if path.suffix in READ)
        files += [path for path in (folder / POOLING_FILE,) if path.exists()]
        return digest(*(part for path in files for part in (path.name, file_digest(path))))

    @property
    def revision(self) -> str | None:
        """The commit of a hub id's files in the local cache, without asking the hub; None when there are none.

        Later files are loaded from the same commit, so that what was fingerprinted is what runs.
        """
        if self.is_local or not self.is_model:
            return None
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(self.location, "config.json")
        return Path(found).parent.name if isinstance(found, str) else None

    @property
    def pinned(self) -> dict[str, Any]:
        """The revision as an argument for what loads from the hub; empty where there is none."""
        return {"revision": self.revision} if self.revision else {}

    @cached_property
    def config(self) -> Any:
        """The modality's own transformers configuration."""
        transformers = transformers_quietly()
        named = self.names.get(self.name)
        if self.weights == "random" and named is not None and named.config is not None:
            return getattr(transformers, named.config)()
        return config_of(self.whole_config, self.modality)

    @cached_property
    def whole_config(self) -> Any:
        """What a folder or hub id states: of CLIP and its kin a configuration that holds one a modality."""
        if self.is_local:
            check_files(Path(self.location))
        try:
            return transformers_quietly().AutoConfig.from_pretrained(
                self.location, trust_remote_code=False, **self.pinned
            )
        except Exception as error:  # whatever transformers raises on reading a folder
            raise self.unloadable(error) from error

    @cached_property
    def anatomy(self) -> Anatomy:
        """What running the loaded model has shown; remembered for as long as its files stay the same."""
        return self._seen(self._part)

    def _seen(self, load: Callable[[], tuple[nn.Module, tuple[str, ...]]]) -> Anatomy:
        """The anatomy. `load` gives a part as `_part` does, which may lose layers, and is asked where none is known."""
        around = canonical_json(asdict(self._frame)) if self.modality == "text" else ""

        def key() -> str:
            files = self.fingerprint()
            return digest(self.modality, files, around) if files else ""

        def look() -> Anatomy:
            # Whatever device a tower is then made on. Some models draw numbers as they run, which leaves no trace.
            with torch.random.fork_rng(devices=[]), torch.device("cpu"):
                part, made_up = load()
                text = self.modality == "text"
                items = Items.titles(self._frame) if text else Items.pictures(self.prepared.side or USUAL_SIDE)
                try:
                    return inspect(part, items, made_up)
                except Exception as error:  # which does not know the folder; or a model wants other items
                    raise self.unloadable(error) from error

        return remembered(key, look)

    @cached_property
    def _frame(self) -> Frame:
        """What stands around every text; of a folder without tokenizer a class token, as usual."""
        vocabulary = getattr(self.config, "vocab_size", 0)  # a name that stands for no model is found out here
        if self.is_local and not has_tokenizer(Path(self.location)):
            return replace(CostTokenizer(vocabulary).frame, after=[])
        return self.tokenizer().frame

    def tokenizer(self) -> Tokenizer:
        """The text tower's own tokenizer; with random weights and none at hand, one that only has the right cost."""
        if self.weights == "random" and not (self.is_local and has_tokenizer(Path(self.location))):
            return CostTokenizer(self.config.vocab_size)
        return PretrainedTokenizer(self.location, **self.pinned)

    @cached_property
    def shape(self) -> TowerShape:
        """Width, depth and pooling, as the loaded model has shown them."""
        if not self.is_model:
            return numbered_shape(self.name, self.modality, self.features)
        stated = self.stated_pooling if self.pooling == "auto" else None  # what else it may say does not matter then
        pooling = self.anatomy.pooling(self.modality, self.pooling, stated)
        return TowerShape.of(self.anatomy, self.modality, pooling)

    @cached_property
    def stated_pooling(self) -> Place | None:
        """How the folder's own files have texts pooled, as sentence-transformers writes them; None without such."""
        return stated_pooling(Path(self.location)) if self.modality == "text" and self.is_local else None

    def tower(self) -> Tower | NumberedTower:
        """A fresh float32 tower. BenchError when the folder or hub id has no weights that load."""
        if not self.is_model:
            return (
                FeatureTower(self.modality, self.features) if self.name == FEATURES else GeneratedTower(self.modality)
            )
        part, made_up = self._part()
        if not any(parameter.is_meta for parameter in part.parameters()):  # else there is nothing to see
            self._seen(lambda: (copy_of_same_weights(part), made_up))  # so that it is not loaded twice
        return Tower(part, self.shape, self.pixels.normalisation, self.anatomy)

    def _part(self) -> tuple[nn.Module, tuple[str, ...]]:
        """What of the model reads the modality, fresh, and the names of its parameters that the files lack."""
        # Random weights are always the same. A loaded model draws numbers too, for a pooler that its file lacks: what
        # a method makes after it must not depend on whether a tower was loaded (iisan and iisan-cached start alike).
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_RANDOM_SEED)
            try:
                if self.weights == "random":
                    return part_of(build_model(self.config), self.modality), ()
                model, found = load_model(self.location, self.whole_config, self.pinned)
            except Exception as error:  # whatever transformers raises
                raise self.unloadable(error) from error
        part = part_of(model, self.modality)
        fault = loading_fault(model, part, found)
        if fault:
            raise self.unloadable(fault)
        return part, tuple(own_names(model, part, sorted(found["missing_keys"])))

    def image_side(self) -> int:
        """The picture side, in pixels, that the model's pictures are prepared to. BenchError when nothing states it."""
        if self.prepared.side is None:
            raise self.unloadable(
                "neither its preprocessor nor its config.json states a size; give --set image_side=224"
            )
        return self.prepared.side

    def weights_digest(self) -> str:
        """Hash of the loaded weights, for a hub id, whose files are not known by path."""
        state = self.tower().state_dict()
        return digest(*(part for name in sorted(state) for part in (name, state[name].numpy().tobytes())))

    @cached_property
    def pixels(self) -> Pixels:
        """How pictures are prepared, as far as the model's own preprocessor says it."""
        if self.modality == "text" or not self.is_model:
            return Pixels(None, HALF)
        if not (self.is_local or self.weights == "pretrained"):
            return Pixels(None, HALF)
        return read_pixels(self._preprocessor())

    @cached_property
    def prepared(self) -> Pixels:
        """The same with the configuration's side, where the preprocessor states none."""
        return self.pixels if self.modality == "text" or not self.is_model else self.pixels.completed(self.config)

    @property
    def normalisation(self) -> Normalisation:
        """Mean and std of the pixels, in 0..1."""
        return self.pixels.normalisation

    def _preprocessor(self) -> Path | None:
        """The file in which a model states how its pictures are prepared; None when it has none."""
        if self.is_local:
            return next((path for name in FILES if (path := Path(self.location) / name).exists()), None)
        return next((path for name in FILES if (path := self._of_hub(name))), None)

    def _of_hub(self, name: str) -> Path | None:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

        try:
            return Path(hf_hub_download(self.location, name, **self.pinned))
        except LocalEntryNotFoundError as error:  # the hub was not asked
            raise self.unloadable(error) from error
        except EntryNotFoundError:
            return None
        except OSError as error:
            raise self.unloadable(error) from error

    def _check_folder(self, path: Path) -> None:
        check_no_adapter(path)
        if not (path / "config.json").exists():
            raise BenchError(f"{path}: no config.json; a {self.modality} backbone is a folder in Hugging Face layout")
        if self.weights == "pretrained" and not any(path.glob("*.safetensors")):
            raise BenchError(f"{path}: no .safetensors weights in this model folder; add them or use --weights random")

    def unloadable(self, error: Exception | str) -> BenchError:
        """The error that names this backbone and why it cannot be had."""
        reason = " ".join(str(error).split())[:300]
        if not isinstance(error, str | BenchError | OSError | ValueError):
            reason = f"{type(error).__name__}: {reason}"
        if "trust_remote_code" in str(error):
            reason = "it wants custom code of its own, which is never run"
        remedy = "give a local model folder, or --weights random to measure cost without weights"
        if self.weights == "random":
            remedy = "restore the model's own config.json, or give another backbone"
        return BenchError(f"{self.modality} backbone '{self.name}' cannot be loaded ({reason}); {remedy}")
