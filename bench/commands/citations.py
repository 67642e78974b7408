"""Whom to cite: the suite, the papers behind what every report says, and those of the methods in it, as BibTeX."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from inspect import getdoc
from pathlib import Path

from ... import __version__
from ...text import visible

ENTRIES = Path(__file__).with_name("citations.bib")
PEFT = "peft"
ALWAYS = {
    "tpmebench": "the suite",
    "fu2024iisan": "TPME",
}
OF_REPORTS = {
    "kang2018sasrec": "the sequence encoder above every method",
    "belanec2025peftbench": "PSCP, where you quote it",
}

METHODS: Mapping[str, tuple[str, ...]] = {
    "fft": (),
    "frozen": (),
    "bitfit": ("benzaken2022bitfit",),
    "adapter": ("houlsby2019adapter",),
    "lora": ("hu2022lora", PEFT),
    "pfeiffer": ("pfeiffer2021adapterfusion",),
    "parallel": ("he2022unified", "chen2022adaptformer"),
    "compacter": ("karimimahabadi2021compacter",),
    "ssf": ("lian2022ssf",),
    "vpt-shallow": ("jia2022vpt",),
    "vpt-deep": ("jia2022vpt",),
    "partial": ("jia2022vpt",),
    "iisan": ("fu2024iisan",),
    "versa": ("fu2024iisan", "fu2024versa"),
    "lst": ("sung2022lst",),
    "frozen-mix": ("peters2018elmo",),
    "hybrid": ("fu2024iisan",),
    "popularity": (),
    "random": (),
    "content-knn": (),
    "sasrec-id": ("kang2018sasrec",),
    "dora": ("hu2022lora", "liu2024dora", PEFT),
    "rslora": ("hu2022lora", "kalajdzievski2023rslora", PEFT),
    "pissa": ("hu2022lora", "meng2024pissa", PEFT),
    "olora": ("hu2022lora", "buyukakyuz2024olora", PEFT),
    "mica": ("hu2022lora", "rudiger2026mica", PEFT),
    "lora-plus": ("hu2022lora", "hayou2024loraplus", PEFT),
    "adalora": ("zhang2023adalora", PEFT),
    "beft": ("huang2026beft", PEFT),
    "boft": ("liu2024boft", PEFT),
    "c3a": ("chen2025c3a", PEFT),
    "deft": ("kumar2026deft", PEFT),
    "delora": ("bini2025delora", PEFT),
    "fourierft": ("gao2024fourierft", PEFT),
    "frod": ("wan2026frod", PEFT),
    "glora": ("chavan2023glora", PEFT),
    "gralora": ("jung2025gralora", PEFT),
    "hira": ("huang2025hira", PEFT),
    "hra": ("yuan2024hra", PEFT),
    "ia3": ("liu2022ia3", PEFT),
    "lily": ("zhong2025lily", PEFT),
    "ln_tuning": ("zhao2023lntuning", PEFT),
    "loha": ("hyeonwoo2022fedpara", "yeh2023lycoris", PEFT),
    "lokr": ("yeh2023lycoris", PEFT),
    "miss": ("kang2024miss", PEFT),
    "bat": ("kang2024miss", PEFT),
    "oft": ("qiu2023oft", PEFT),
    "coft": ("qiu2023oft", PEFT),
    "osf": ("nayak2025osf", PEFT),
    "peanut": ("zhong2024peanut", PEFT),
    "psoft": ("wu2026psoft", PEFT),
    "pvera": ("fillioux2025pvera", PEFT),
    "randlora": ("albert2025randlora", PEFT),
    "road": ("liao2024road", PEFT),
    "shira": ("bhardwaj2024shira", PEFT),
    "supertuning": ("ilin2026supertuning", PEFT),
    "tinylora": ("morris2026tinylora", PEFT),
    "unilora": ("li2025unilora", PEFT),
    "vblora": ("li2024vblora", PEFT),
    "vera": ("kopiczko2023vera", PEFT),
    "waveft": ("bilican2025waveft", PEFT),
}
"""Every method of the suite's own with the keys of what it comes from, () where that is nobody's; a twin that reads the
cache is cited as the method that does the same without it."""

_ENTRY = re.compile(r"^@\w+\{\s*([^\s,{}]+)\s*,.*?^\}", re.DOTALL | re.MULTILINE)


@dataclass
class Citations:
    """Entries by key, each with what it is cited for, and remarks on what has no entry; all in order."""

    entries: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, list[str]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def add(self, key: str, entry: str, reason: str) -> None:
        """One more reason for an entry."""
        self.entries.setdefault(key, entry)
        self.reasons.setdefault(key, []).append(reason)

    def lines(self) -> list[str]:
        """All as BibTeX, what each entry is cited for as a comment above it."""
        found = []
        for key, entry in self.entries.items():
            found += [f"% {visible(', '.join(dict.fromkeys(self.reasons[key])))}", *entry.splitlines(), ""]
        return [*found, *(f"% {visible(remark)}" for remark in self.remarks)]


def cite(used: Iterable[str] | None) -> Citations:
    """What to cite for a report over some methods, by name; None: for the suite alone."""
    known, found = entries(ENTRIES.read_text(encoding="utf-8")), Citations()
    always = ALWAYS if used is None else ALWAYS | OF_REPORTS
    for key, reason in always.items():
        found.add(key, known[key].replace("VERSION", __version__), reason)
    for name in dict.fromkeys(used or ()):
        keys = METHODS.get(name.removesuffix("-cached"))
        if keys is None:
            _cite_outside(found, name)
            continue
        for key in keys:
            found.add(key, known[key], name)
        if not keys:
            found.remarks.append(f"{name}: nothing to cite")
    return found


def _cite_outside(found: Citations, name: str) -> None:
    """What a method that a package offers holds in its docstring. Code that a record names by its place is not run."""
    from ...methods.registry import methods

    own = entries(getdoc(method) or "") if (method := methods().get(name)) else {}
    for key, entry in own.items():
        found.add(key, entry, name)
    if not own:
        found.remarks.append(f"{name}: not of the suite's own, and no BibTeX in its docstring; ask its authors")


def entries(text: str) -> dict[str, str]:
    """The BibTeX entries in a text by key; each ends with a line that begins with its closing brace."""
    return {entry[1]: entry[0] for entry in _ENTRY.finditer(text)}
