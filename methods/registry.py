"""The one list of methods: built in, from entry points, or named as `package.module:Class` or `./file.py:Class`."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast, get_args

from ..cell import Family
from ..errors import unknown
from ..outside import Registry, subclass_of
from .embedded.peft.refusals import REFUSED

ENTRY_POINTS = "tpmebench.methods"
FAMILIES: tuple[Family, ...] = get_args(Family)
_BUILT_IN: dict[str, tuple[str, ...]] = {
    "embedded.fft": ("fft",),
    "decoupled.frozen": ("frozen", "frozen-cached"),
    "embedded.bitfit": ("bitfit",),
    "embedded.adapter": ("adapter",),
    "embedded.lora": ("lora",),
    "embedded.pfeiffer": ("pfeiffer",),
    "embedded.parallel": ("parallel",),
    "embedded.compacter": ("compacter",),
    "embedded.ssf": ("ssf",),
    "embedded.vpt": ("vpt-shallow", "vpt-deep"),
    "embedded.partial": ("partial",),
    "decoupled.iisan": ("iisan", "iisan-cached"),
    "decoupled.versa": ("versa", "versa-cached"),
    "decoupled.lst": ("lst", "lst-cached"),
    "decoupled.frozen_mix": ("frozen-mix", "frozen-mix-cached"),
    "embedded.hybrid": ("hybrid", "hybrid-cached"),
    "references.popularity": ("popularity",),
    "references.random": ("random",),
    "references.content_knn": ("content-knn",),
    "references.sasrec_id": ("sasrec-id",),
    "embedded.peft.presets": ("lora-plus", "dora", "rslora", "pissa", "olora", "mica"),
    "embedded.peft.kinds": (
        *("beft", "boft", "c3a", "deft", "delora", "fourierft", "frod", "glora", "gralora", "hira", "hra", "ia3"),
        *("lily", "ln_tuning", "loha", "lokr", "miss", "oft", "osf", "peanut", "psoft", "pvera", "randlora", "road"),
        *("shira", "supertuning", "tinylora", "unilora", "vblora", "vera", "waveft", "bat", "coft"),
    ),
    "embedded.peft.adalora": ("adalora",),
}
"""Which module registers which names: one is imported when a name of its own is asked for, as torch takes its time."""

if TYPE_CHECKING:
    from .method import Method, Registered
    from .references.ranker import Ranker

    Entry = type[Method[Any]] | type[Ranker]
else:
    Entry = type  # a name is looked up before the classes that it may stand for are imported

M = TypeVar("M", bound="type[Registered]")


def register(name: str, family: str, uncached: str = "") -> Callable[[M], M]:
    """Class decorator: makes a method, or a ranking that trains nothing, known under a name.

    `family` is `full`, `embedded` (gradients cross the backbone), `hybrid` (its top alone), `decoupled` (they don't) or
    `reference`. `uncached`
    names the method that does the same without the feature cache. The first line of the class's docstring becomes its
    summary. BenchError for another family.
    """
    if family not in FAMILIES:
        raise unknown(f"family of method '{name}'", family, list(FAMILIES))

    def add(method: M) -> M:
        _registry.add(name, cast("Entry", method))
        method.family, method.uncached = family, uncached
        return method

    return add


def methods() -> dict[str, Entry]:
    """Every registered method by name: the built-in ones in their order, then those from entry points."""
    return _registry.all()


def names() -> list[str]:
    """Every method's name, found without importing any."""
    return _registry.names()


def check_name(name: str) -> None:
    """BenchError for a name that no method has; nothing is imported for it."""
    _registry.check(name)


def find_method(name: str) -> Entry:
    """The class behind a name; BenchError as `Registry.find` says."""
    return _registry.find(name)


def built_in_modules() -> tuple[str, ...]:
    """The modules of this folder that hold the methods built in, without their suffix."""
    return tuple(_BUILT_IN)


def make_method(name: str, options: dict[str, Any] | None = None) -> "Method[Any] | Ranker":
    """A method with its options. BenchError names an unknown method or option."""
    return find_method(name)(options)


def adopt(name: str, found: object) -> Entry:
    """A class from outside, registered under a name unless it already did so itself; BenchError for no method."""
    from .method import Method
    from .references.ranker import Ranker

    kind = Ranker if isinstance(found, type) and issubclass(found, Ranker) else Method
    method = cast("Entry", subclass_of(kind, "method", name, found))
    if "name" not in vars(method):  # a name that is inherited is the parent's
        register(name, method.family or ("embedded" if method.kind == "method" else "reference"))(method)
    return method


_HOMES = {name: f"{__package__}.{module}" for module, names in _BUILT_IN.items() for name in names}
_registry = Registry[Entry]("method", ENTRY_POINTS, _HOMES, adopt, REFUSED)
