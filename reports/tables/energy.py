"""The energy of training, where counters say it, and why not where they do not."""

from dataclasses import replace

import pandas as pd

from ...energy import CARD, PACKAGE
from ..analysis.comparison import Comparison
from ..analysis.energy import COUNTERS, SHORTEST
from ..analysis.epochs import LEFT_OUT, MARKED, SIGN
from .anatomy import tidy
from .table import Column, Table

NAMES = {CARD: "card", PACKAGE: "processor"}


def energy_table(comparison: Comparison) -> Table | None:
    """Energy of an epoch, to the best epoch, and of building the cache; a card's and a processor's apart."""
    frame = comparison.methods.copy()
    columns = list[Column]()
    for counter in COUNTERS:
        epoch, cache = frame[f"{counter}_energy"], frame[f"{counter}_cache_energy"]
        built = cache.where(frame["cache_build"].notna(), 0.0)  # unknown where there is a cache and no reading of it
        frame[f"{counter}_best"] = epoch * frame["best_epoch"] + built
        marked = frame[f"{counter}_marked"].gt(0).map({True: SIGN, False: ""})
        frame[f"{counter}_energy sign"] = frame[f"{counter}_best sign"] = marked
        name = NAMES[counter]
        columns += [
            Column(f"{counter}_energy", f"{name}, an epoch", "energy", "less"),
            Column(f"{counter}_best", f"{name}, to the best epoch", "energy", "less"),
            Column(f"{counter}_cache_energy", f"{name}, cache build", "energy", "less"),
        ]
    columns.append(Column("energy", "card, whole run", "energy", "less"))
    table = tidy("energy", "Energy", frame, tuple(columns))
    return table and replace(table, notes=tuple(_notes(comparison)))


def _notes(comparison: Comparison) -> list[str]:
    notes = [
        "What counters of the card (NVML) or of all packages of the processor (RAPL) say, idling included: mean of an "
        "epoch's training; as many of these as led to the best epoch, with the cache build; a card's whole run has "
        "validation in it."
    ]
    methods = comparison.methods
    for counter in COUNTERS:
        work = "another process was on the card" if counter == CARD else f"others took more than {LEFT_OUT:.0%} of it"
        if lost := _rows(methods[f"{counter}_left_out"].gt(0)):
            notes.append(f"Epochs in which {work} are no part of the {NAMES[counter]}'s energy: {lost}.")
    if any(methods[f"{counter}_marked"].gt(0).any() for counter in COUNTERS):
        notes.append(f"{SIGN}: others took more than {MARKED:.0%} of the processor meanwhile.")
    why = unmeasured(comparison)
    return [*notes, why] if why else notes


def unmeasured(comparison: Comparison) -> str | None:
    """Why the energy of some, or of all, is not known, in a sentence; None where there is nothing to say."""
    trained = [result.record for result in comparison.results if result.record.time.epochs]
    places = [record.environment for record in trained]
    reasons = [line for place in places for line in place.energy_unread]
    silent = [not place.energy_unread and not place.energy_counters for place in places]
    if any(silent):
        which = "the records" if all(silent) else "some records"
        reasons.append(f"{which} are of a version of the suite that asked no counter for it")
    methods = comparison.methods
    if any(place.energy_counters for place in places):
        known = methods[[f"{counter}_energy" for counter in COUNTERS]].notna().any(axis=1)
        left_out = methods[[f"{counter}_left_out" for counter in COUNTERS]].gt(0).any(axis=1)
        if short := _rows(methods["time"].notna() & ~known & ~left_out):
            reasons.append(f"epochs of less than {SHORTEST:g} s in all, of {short}")
    if not reasons:
        return None
    return f"Energy of an epoch not measured: {'; '.join(dict.fromkeys(reasons))}."


def _rows(chosen: pd.Series) -> str:
    return ", ".join(map(str, chosen.index[chosen]))
