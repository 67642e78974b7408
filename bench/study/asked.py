"""What a study asks of its methods: each with its options and rates, variants and points of a sweep apart."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from ...errors import BenchError, quoted, unknown
from ...methods.registry import find_method
from ...methods.registry import methods as registered
from ...naming import split_list
from .named import EVERY_METHOD
from .schema import ANY, REFERENCE_ROWS, Study
from .variants import Settled, Variant, as_called, check_rates, settings_of, written_value


@dataclass(frozen=True)
class Asked:
    """A method by the name that finds it, with its options and rates; `search`: the settings of which this is a point
    of a sweep or search, and `point` its place among them, from 1.
    """

    name: str
    settled: Settled
    search: tuple[str, ...] = ()
    point: int = 0


def asked(study: Study) -> list[Asked]:
    """Each variant of a study, in every combination of the settings that it sweeps. BenchError for what is wrong."""
    found = variants(study)
    _check_sweep(study, found)
    return [point for variant in found for point in _swept(study, variant)]


def variants(study: Study) -> list[Variant]:
    """The variants that a study names, and the reference rows. BenchError for a table of what is no method's."""
    for key, names in (("options", study.options), ("rates", study.rates), ("epochs", study.epochs)):
        for name in names:
            if Variant.read(name).settings:
                raise BenchError(f"{key}: {quoted(name)} is a variant; name the method alone, for all of its variants")
            find_method(name)
    for name, rates in study.rates.items():
        check_rates(name, rates)
    for name in (*study.options, *study.rates):
        Variant(name).settled(base(study, name))
    return [Variant.read(text) for text in _methods(study)]


def ask(study: Study, variant: Variant, search: Iterable[str] = ()) -> Asked:
    """A variant over what the study's tables say of its method; `search` as of `Asked`."""
    settled = variant.settled(base(study, variant.name))
    rates = dict(settled.rates)
    everything = rates.keys() >= {"lr", "head_lr"}
    if everything or rates.get("learning_rate_scale") == study.training.learning_rate_scale:
        rates.pop("learning_rate_scale", None)  # with it the cell would be no other
    return Asked(variant.name, replace(settled, rates=rates), tuple(sorted(search)))


def base(study: Study, name: str) -> dict[str, Any]:
    """What a study says of a method, below what its variants say."""
    return {**study.options.get(name, {}), **study.rates.get(name, {})}


def read_sweeps(texts: Iterable[str]) -> dict[str, dict[str, list[Any]]]:
    """Values by method and setting, of texts such as `lora.r=4,8,16`. BenchError for one that says something else."""
    found: dict[str, dict[str, list[Any]]] = {}
    for text in texts:
        keys, _, values = text.partition("=")
        method, _, key = (part.strip() for part in keys.rpartition("."))
        tried = [written_value(value) for value in split_list(values) if value]
        if not method or not key or not tried:
            raise BenchError(f"--sweep {quoted(text)}: give METHOD.KEY=values, for example --sweep lora.r=4,8,16")
        if key in found.setdefault(method, {}):
            raise BenchError(f"--sweep {quoted(text)}: {quoted(f'{method}.{key}')} stands there twice: keep one")
        found[method][key] = tried
    return found


def _methods(study: Study) -> list[str]:
    chosen = list(study.methods)
    if EVERY_METHOD in chosen:
        own = [name for name, method in registered().items() if method.family != "reference"]
        chosen = [name for text in chosen for name in (own if text == EVERY_METHOD else [text])]
    if study.references:
        chosen += [name for name in REFERENCE_ROWS if name not in chosen]
    return list(dict.fromkeys(chosen))


def _swept(study: Study, variant: Variant) -> Iterator[Asked]:
    """The points of a variant: all combinations of what is swept and stands in neither its name."""
    values = _values(study, variant)
    for number, combination in enumerate(product(*values.values()), 1):
        point = Variant(variant.name, {**dict(zip(values, combination, strict=True)), **variant.settings})
        yield replace(ask(study, point, values), point=number if values else 0)


def _values(study: Study, variant: Variant) -> Mapping[str, list[Any]]:
    """The values to try by setting: those of the method's own name before those of any; what the variant says stays."""
    method = find_method(variant.name)
    said, known = {as_called(key, method) for key in variant.settings}, settings_of(method)
    of_any, own = study.sweep.get(ANY, {}), study.sweep.get(variant.name, {})
    swept = {as_called(key, method): values for key, values in {**of_any, **own}.items()}
    return {key: values for key, values in swept.items() if key in known and key not in said}


def _check_sweep(study: Study, found: list[Variant]) -> None:
    """BenchError for a sweep over what no method of the study has."""
    names = [variant.name for variant in found]
    for name, settings in study.sweep.items():
        if name != ANY and name not in names:
            raise BenchError(f"sweep: {unknown('method of this study', name, [*dict.fromkeys(names), ANY])}")
        concerned = names if name == ANY else [name]
        methods = [find_method(each) for each in concerned]
        known = list(dict.fromkeys(key for method in methods for key in settings_of(method)))
        for key in settings:
            if not any(as_called(key, method) in settings_of(method) for method in methods):
                what = "setting of any method of this study" if name == ANY else f"setting of method '{name}'"
                raise BenchError(f"sweep: {unknown(what, key, known)}")
