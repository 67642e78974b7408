"""The IISAN paper's headline figures, to stand beside ours when a study is comparable, marked as theirs."""

import pandas as pd

from ..analysis.comparison import Comparison
from .table import Column, Table

PAPER = {
    "fft": ("443", "47"),
    "adapter": ("350–380", "37–39"),
    "lora": ("350–380", "37–39"),
    "iisan-cached": ("22", "3"),
}
"""Method → seconds an epoch and GB of memory (abstract of arXiv 2404.02059; one A6000-class GPU)."""


def comparable(comparison: Comparison) -> bool:
    """Whether the cells ran on Amazon Scientific with BERT-base and ViT-base, on a GPU."""
    settings = {name: value.lower() for name, value in comparison.conditions.items()}
    towers = settings["backbones"]
    return (
        "scientific" in settings["dataset"]
        and "bert-base" in towers
        and "vit-base" in towers
        and settings["modalities"] == "both"
        and settings["device"].startswith("cuda")
    )


def headline_table(comparison: Comparison) -> Table | None:
    """T and M of ours and of the paper, for the methods it names; None when the study is not comparable."""
    methods = comparison.methods
    frame = methods[methods["method"].isin(list(PAPER)) & methods["time"].notna()]
    if not comparable(comparison) or frame.empty:
        return None
    theirs = pd.DataFrame([PAPER[name] for name in frame["method"]], index=frame.index, columns=["paper T", "paper M"])
    columns = (
        Column("time", "T, ours", "seconds"),
        Column("paper T", "T, theirs (s)"),
        Column("memory", "M, ours", "bytes"),
        Column("paper M", "M, theirs (GB)"),
    )
    setting = comparison.conditions["encode"]
    notes = (
        "Theirs: the figures of the abstract of arXiv 2404.02059, on one A6000-class GPU, with a batch size for each "
        f"method and every slot encoded; ours are of the machine named in the settings, with encode = {setting}.",
    )
    return Table("headline", "Beside the paper's own figures", frame.join(theirs), columns, notes=notes)
