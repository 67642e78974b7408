"""Named, local or hub backbones: their shapes, towers, tokenizers and fingerprints."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from ...cell import Modality, TextPooling, Weights
from ...errors import BenchError, quoted, unknown
from ...files import canonical_json, digest, file_digest, read_json
from .generated import NAME as GENERATED
from .generated import VERSION as GENERATED_VERSION
from .generated import GeneratedTower, generated_shape
from .hugging_face import transformers_quietly
from .model_folder import READ, check_files, loading_fault
from .names import IMAGE, MICRO, TEXT, Named
from .tower import Tower, TowerShape

_RANDOM_SEED = 20240
_LARGEST_SIDE = 8192
_HALF = ([0.5, 0.5, 0.5], [0.5, 0.5, 0.5])


@dataclass(frozen=True)
class BackboneSource:
    """One backbone as chosen: a name of the tables above, a local folder in Hugging Face layout, or a hub id."""

    modality: Modality
    name: str
    weights: Weights = "pretrained"
    pooling: TextPooling = "auto"

    @cached_property
    def location(self) -> str:
        """The folder or hub id. BenchError for a name that is neither."""
        named = self.names.get(self.name)
        if named is not None:
            return named.source
        try:
            path = Path(self.name).expanduser()
            if path.is_dir():
                self._check_folder(path)
                return str(path)
        except (OSError, RuntimeError, ValueError) as error:
            raise BenchError(f"{self.modality} backbone {quoted(self.name)}: {error.args[-1]}; correct it") from error
        if self.name.startswith((".", "/", "~")) or self.name.count("/") != 1:
            known = sorted(self.names)
            raise unknown(
                f"{self.modality} backbone", self.name, [*known, GENERATED, "a model folder", "a hub id owner/name"]
            )
        return self.name

    @property
    def label(self) -> str:
        """What the tower is called wherever it stands: its name, its folder's name, or its hub id."""
        return Path(self.location).resolve().name if self.name not in self.names and self.is_local else self.name

    @property
    def names(self) -> dict[str, Named]:
        """The towers of this modality that go by a short name."""
        return TEXT if self.modality == "text" else IMAGE

    @property
    def is_generated(self) -> bool:
        """Whether its states come from a formula: then it reads neither texts nor pictures."""
        return self.name == GENERATED

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
        if self.is_generated:
            return digest(GENERATED_VERSION)
        if not self.is_local and self.weights == "pretrained":
            return self.revision or ""
        if self.weights == "random":
            shape = self.config.to_dict() | {"_name_or_path": ""}  # the same wherever the folder stands
            return digest("random", canonical_json(shape), str(_RANDOM_SEED), torch.__version__)
        files = sorted(path for path in Path(self.location).iterdir() if path.suffix in READ)
        return digest(*(part for path in files for part in (path.name, file_digest(path))))

    @property
    def revision(self) -> str | None:
        """The commit of a hub id's files in the local cache, without asking the hub; None when there are none.

        Later files are loaded from the same commit, so that what was fingerprinted is what runs.
        """
        if self.is_local or self.is_generated:
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
        part = "text_config" if self.modality == "text" else "vision_config"
        return getattr(self.whole_config, part, self.whole_config)

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
    def shape(self) -> TowerShape:
        """Width, depth and pooling: encoders are read at `[CLS]`, causal text models at the last token."""
        if self.is_generated:
            return generated_shape(self.modality)
        pooling = self.pooling
        hidden, depth = (getattr(self.config, key, None) for key in ("hidden_size", "num_hidden_layers"))
        if not (isinstance(hidden, int) and isinstance(depth, int) and hidden > 0 and depth > 0):
            raise self.unloadable("its config.json states no hidden_size or no num_hidden_layers")
        if pooling == "auto":
            pooling = "last" if self.modality == "text" and self._is_causal() else "cls"
        return TowerShape(self.modality, hidden, depth, pooling)

    def tower(self) -> Tower | GeneratedTower:
        """A fresh float32 tower. BenchError when the folder or hub id has no weights that load."""
        if self.is_generated:
            return GeneratedTower(self.modality)
        # Random weights are always the same. A loaded model draws numbers too, for a pooler that its file lacks: what
        # a method makes after it must not depend on whether a tower was loaded (iisan and iisan-cached start alike).
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_RANDOM_SEED)
            model = self._model()
        return self.tower_of(model)

    def tower_of(self, model: Any) -> Tower:
        """The modality's part of a whole model, as a tower."""
        model = self.part_of(model)
        model.config.use_cache = False  # of a causal model: keys and values kept for generation
        return Tower(model, self.shape, self.normalisation)

    def _model(self) -> Any:
        transformers = transformers_quietly()
        settings: dict[str, Any] = {"attn_implementation": "sdpa", "trust_remote_code": False}
        try:
            if self.weights == "random":
                return transformers.AutoModel.from_config(self.config, **settings)
            settings |= {"dtype": torch.float32, "use_safetensors": True, "output_loading_info": True}
            settings |= self.pinned
            model, found = transformers.AutoModel.from_pretrained(self.location, **settings)
        except Exception as error:  # whatever transformers raises
            raise self.unloadable(error) from error
        fault = loading_fault(model, self.part_of(model), found)
        if fault:
            raise self.unloadable(fault)
        return model

    def part_of(self, model: Any) -> Any:
        """What of a model reads the modality: the whole of it, or one of CLIP's two."""
        return getattr(model, "text_model" if self.modality == "text" else "vision_model", model)

    def image_side(self) -> int:
        """The picture side, in pixels, that the image model was trained on. BenchError when it states none."""
        side = getattr(self.config, "image_size", None)
        sides = side if isinstance(side, list | tuple) else [side]
        stated = [each for each in sides if isinstance(each, int) and 0 < each <= _LARGEST_SIDE]
        if not stated or len(stated) < len(sides):
            raise self.unloadable("its config.json states no image_size; give --set image_side=224")
        return max(stated)

    def weights_digest(self) -> str:
        """Hash of the loaded weights, for a hub id, whose files are not known by path."""
        state = self.tower().state_dict()
        return digest(*(part for name in sorted(state) for part in (name, state[name].numpy().tobytes())))

    @cached_property
    def normalisation(self) -> tuple[list[float], list[float]]:
        """Mean and std of the pixels, in 0..1, from the model's own preprocessor where it states them."""
        if self.modality == "text" or self.is_generated or not (self.is_local or self.weights == "pretrained"):
            return _HALF
        path = self._preprocessor()
        if path is None:
            return _HALF
        settings = read_json(path)
        if not isinstance(settings, dict):
            raise BenchError(f"{path}: no table of a preprocessor's settings; restore the file")
        found = [settings.get(key) or half for key, half in zip(("image_mean", "image_std"), _HALF, strict=True)]
        for numbers in found:
            if not (isinstance(numbers, list) and [isinstance(n, int | float) for n in numbers] == [True] * 3):
                raise BenchError(f"{path}: image_mean and image_std should be three numbers each; restore the file")
        if not all(0 < std < 100 for std in found[1]) or not all(abs(mean) < 100 for mean in found[0]):
            raise BenchError(f"{path}: image_std should be above 0, of pixels in 0..1; restore the file")
        return found[0], found[1]

    def _preprocessor(self) -> Path | None:
        """The file in which a model states how its pictures are prepared; None when it has none."""
        name = "preprocessor_config.json"
        if self.is_local:
            path = Path(self.location) / name
            return path if path.exists() else None
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

    def _is_causal(self) -> bool:
        """Whether only the last token has seen the whole text: CLIP's, and families that generate but don't fill in."""
        from transformers.models.auto import modeling_auto as families

        kind = self.config.model_type
        generates = kind in families.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
        return kind.startswith("clip") or (generates and kind not in families.MODEL_FOR_MASKED_LM_MAPPING_NAMES)

    def _check_folder(self, path: Path) -> None:
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
