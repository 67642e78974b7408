"""The kinds of peft: each a method of its own name, whose options are those of its config.

The table is known without peft, which takes three seconds to import; a test holds it to the installed one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

from ....errors import BenchError
from ....ranges import RATES, Choice
from ...backbones.tower import Tower
from ...fusion import TowerRates
from ...method import Options
from ...registry import register
from .fitting import Fit, divides, no_more_than_entries, no_more_than_low_rank, no_wider
from .method import PeftMethod
from .options import KindOptions, config_of, options_of
from .targets import TargetName

_FACTORS = TowerRates(text=4e-4, image=4e-4, rest=2e-4, head=2e-4)
_VECTORS = TowerRates(text=2e-3, image=2e-3, rest=2e-4, head=2e-4)
"""A few numbers a layer must move further than the entries of factors."""
_MATRICES = TowerRates(text=5e-5, image=1e-4, rest=2e-4, head=2e-4)


@dataclass(frozen=True)
class Kind:
    """A kind of peft, by the name under which it is registered.

    `peft_type`: peft's name, where another. `fixed`: what of its config a preset sets. `search`: what of its options
    `bench tune` may try. `fitted` and `from_weights` as of `PeftMethod`.
    """

    name: str
    summary: str
    targets: TargetName = "qv"
    rates: TowerRates = _FACTORS
    search: Mapping[str, Choice] = field(default_factory=dict)
    fitted: Mapping[str, Fit] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    from_weights: bool = False
    peft_type: str = ""


def _ranks(*values: int) -> Mapping[str, Choice]:
    return {"r": Choice(values)}


KINDS = (
    Kind("beft", "A bias at the value projections (BEFT, 2025).", "v", _VECTORS),
    Kind(
        "boft",
        "Weights turned by small orthogonal blocks, of one butterfly (Liu et al., 2023).",
        fitted={"boft_block_size": divides},
        fixed={"boft_n_butterfly_factor": 1},
    ),
    Kind(
        "c3a",
        "Updates of circular convolutions, block by block (Chen et al., 2024).",
        rates=_VECTORS,
        fitted={"block_size": divides},
    ),
    Kind(
        "deft",
        "Weights projected away from a learned subspace, and new content in it (DEFT, through peft).",
        search=_ranks(4, 8, 16, 32),
    ),
    Kind(
        "delora",
        "Low-rank updates whose angles and strength are decoupled (Bini et al., 2025).",
        search=_ranks(4, 8, 16, 32),
    ),
    Kind(
        "fourierft",
        "Updates by a few coefficients of their discrete Fourier transform (Gao et al., 2024).",
        rates=_VECTORS,
        fitted={"n_frequency": no_more_than_entries},
    ),
    Kind(
        "frod",
        "Layers decomposed jointly, and sparse scalings of what they share (FRoD, through peft).",
        rates=_VECTORS,
        fixed={"progressbar": False},
        from_weights=True,
    ),
    Kind("glora", "Weights and biases scaled and shifted together (Chavan et al., 2023).", search=_ranks(4, 8, 16, 32)),
    Kind(
        "gralora",
        "Low-rank updates of each block of a weight by itself (Jung et al., 2025).",
        search=_ranks(8, 16, 32),
    ),
    Kind(
        "hira",
        "Low-rank updates multiplied by the weights, so of high rank (Huang et al., 2025).",
        search=_ranks(8, 16, 32),
    ),
    Kind(
        "hra", "Weights turned by a chain of Householder reflections (Yuan et al., 2024).", search=_ranks(2, 4, 8, 16)
    ),
    Kind(
        "ia3", "Keys, values and what a feed-forward network narrows, scaled (Liu et al., 2022).", "kv-down", _VECTORS
    ),
    Kind(
        "lily", "Low-rank updates whose factors are shared among layers (Zhong et al., 2024).", search=_ranks(8, 16, 32)
    ),
    Kind("ln_tuning", "The scales and shifts of all normalisations (Zhao et al., 2023).", "norms", _VECTORS),
    Kind(
        "loha", "Updates by a Hadamard product of low-rank ones (Hyeon-Woo et al., 2021).", search=_ranks(4, 8, 16, 32)
    ),
    Kind("lokr", "Updates by a Kronecker product (LyCORIS; Yeh et al., 2023).", search=_ranks(4, 8, 16, 32)),
    Kind(
        "miss",
        "One matrix of shards, repeated along the input (Kang and Yin, 2024).",
        search=_ranks(16, 32, 64),
        fitted={"r": no_wider},
    ),
    Kind("oft", "Weights turned by orthogonal blocks (Qiu et al., 2023).", search={"oft_block_size": Choice((16, 32))}),
    Kind(
        "osf",
        "The weights themselves, but for their upper singular vectors (OSF, through peft).",
        "all-linear",
        _MATRICES,
        from_weights=True,
    ),
    Kind(
        "peanut",
        "Updates that small networks compute from the weights (Zhong et al., 2024).",
        search=_ranks(8, 16, 32),
    ),
    Kind(
        "psoft",
        "The principal subspace of the weights, turned (PSOFT, through peft).",
        rates=_VECTORS,
        search=_ranks(8, 16, 32),
        fitted={"r": no_wider},
        from_weights=True,
    ),
    Kind("pvera", "VeRA whose latent vectors are drawn (PVeRA, 2025).", rates=_VECTORS, search=_ranks(64, 128, 256)),
    Kind(
        "randlora",
        "Full-rank updates by scaled sums of random low-rank bases (Albert et al., 2025).",
        rates=_VECTORS,
        search=_ranks(8, 16, 32),
    ),
    Kind(
        "road",
        "Pairs of outputs rotated and scaled (Liao and Monz, 2024).",
        rates=_VECTORS,
        search={"variant": Choice(("road_1", "road_2", "road_4"))},
        fitted={"group_size": divides},
    ),
    Kind(
        "shira",
        "A sparse random choice of the weights' entries (Bhardwaj et al., 2024).",
        search=_ranks(8, 16, 32),
        fitted={"r": no_more_than_low_rank},
    ),
    Kind(
        "supertuning",
        "The largest entries of the weights alone (Super-Tuning, 2026).",
        search={"sparsity": Choice((0.9, 0.99, 0.999))},
        from_weights=True,
    ),
    Kind(
        "tinylora",
        "A handful of numbers in the singular basis of the weights (TinyLoRA, 2026).",
        rates=_VECTORS,
        search=_ranks(1, 2, 4),
        from_weights=True,
    ),
    Kind(
        "unilora",
        "All low-rank factors out of one short vector (Uni-LoRA, 2025).",
        rates=_VECTORS,
        search=_ranks(2, 4, 8),
    ),
    Kind(
        "vblora",
        "Low-rank factors composed of vectors of one shared bank (Li et al., 2024).",
        rates=_VECTORS,
        search=_ranks(2, 4, 8),
        fitted={"vector_length": divides},
    ),
    Kind(
        "vera",
        "Scalings of random factors that all layers share (Kopiczko et al., 2023).",
        rates=_VECTORS,
        search=_ranks(64, 128, 256),
    ),
    Kind(
        "waveft",
        "Updates by a few coefficients of their wavelet transform (WaveFT, through peft).",
        rates=_VECTORS,
        fitted={"n_frequency": no_more_than_entries},
    ),
    Kind(
        "bat",
        "MiSS whose update is a block affine transformation of the weights (Kang and Yin, 2024).",
        fixed={"init_weights": "bat"},
        search=_ranks(16, 32, 64),
        fitted={"r": divides},
        peft_type="MISS",
    ),
    Kind("coft", "OFT that stays close to the weights (Qiu et al., 2023).", fixed={"coft": True}, peft_type="OFT"),
)


class _OptionsOfKind:
    """The options of the class that is asked, once somebody does."""

    def __get__(self, _instance: object, owner: type["KindMethod"]) -> type[KindOptions]:
        return options_of(
            owner.peft_type, owner.targets, tuple(owner.fitted), tuple(owner.fixed), tuple(owner.changed.items())
        )


class KindMethod(PeftMethod):
    """A kind with all options of its config. `targets` and `fixed` as of `Kind`; `changed`: other defaults."""

    options = cast("type[Options]", _OptionsOfKind())
    targets: ClassVar[TargetName] = "qv"
    fixed: ClassVar[Mapping[str, Any]] = {}
    changed: ClassVar[Mapping[str, Any]] = {}

    @classmethod
    def _parse(cls, chosen: Mapping[str, Any]) -> Any:
        """BenchError too for what peft's config refuses whatever the tower."""
        found = super()._parse(chosen)
        given = {name: value for name, value in found.model_dump(exclude={"targets"}).items() if value != "auto"}
        try:
            config_of(cls.peft_type)(**cls.fixed, **given, target_modules="x")
        except (ValueError, TypeError, AssertionError) as error:
            raise BenchError(f"method '{cls.name}': {' '.join(str(error).split())[:300]}") from error
        return found

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), **self.fixed}


class BOFT(KindMethod):
    """Without the extension for several butterflies, which peft has torch compile wherever it finds a compiler."""

    def adapt(self, tower: Tower) -> None:
        from peft.tuners.boft import layer

        layer._FBD_CUDA = False
        super().adapt(tower)


def _add(kind: Kind, base: type[KindMethod] = KindMethod) -> None:
    own = {
        "__doc__": kind.summary,
        "__module__": __name__,
        "peft_type": kind.peft_type or kind.name.upper(),
        "search": {**RATES, **kind.search},
    }
    own["options_said"] = f"targets ({kind.targets}), and all of peft's config of {own['peft_type']}"
    shared = {name: getattr(kind, name) for name in ("targets", "rates", "fitted", "fixed", "from_weights")}
    register(kind.name, family="embedded")(type(f"{kind.name.title()}Kind", (base,), own | shared))


for _kind in KINDS:
    _add(_kind, {"boft": BOFT}.get(_kind.name, KindMethod))
