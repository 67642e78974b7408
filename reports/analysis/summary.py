"""One row a method: what its cells come to."""

import pandas as pd

from ..records import Record
from .cells import FAMILIES
from .epochs import SIGN


def summarise(cells: pd.DataFrame, spread: list[str]) -> pd.DataFrame:
    """One row a method, by family and then in the order of the cells, with the stds of the columns `spread`."""
    ok = cells[cells["status"] == "ok"]
    numeric = [n for n in ok.select_dtypes("number").columns if n not in ("seed", "repeat", "cache_reused")]
    by_seed = ok.groupby(["label", "seed"])[numeric].mean()
    means = by_seed.groupby("label").mean()
    means["memory_cache_build"] = ok[ok["tells_of_build"]].groupby("label")["memory_cache_build"].mean()
    stds = by_seed[spread].groupby("label").std()
    stds["time"] = ok.groupby("label")["time"].std()
    facts = cells.groupby("label", sort=False).agg(
        method=("method", "first"), family=("family", "first"), cells=("status", "size"), seeds=("seed", "nunique")
    )
    seeds = cells[~cells["costs"]].groupby("label")["seed"].nunique()  # of accuracies, where there are any
    facts["seeds"] = seeds.reindex(facts.index).fillna(facts["seeds"]).astype(int)
    facts["ok"] = ok.groupby("label").size().reindex(facts.index).fillna(0).astype(int)
    facts["status"] = [status(cells[cells["label"] == label]["status"].tolist()) for label in facts.index]
    single = ok.groupby("label")["epochs"].min() == 1
    facts["single_epoch"] = single.reindex(facts.index).eq(True)
    facts = facts.join(means).join(stds.add_suffix(" sd"))
    facts["time sign"] = (facts["marked"] > 0).map({True: SIGN, False: ""})
    order = facts["family"].map(FAMILIES.index)
    return facts.iloc[order.argsort(kind="stable")]


def tells_of_build(record: Record) -> bool:
    """Whether its memory of the cache build is that of a build; an older record that found its cache has another."""
    return not record.time.cache_reused or bool(record.time.cache_built_by)


def status(statuses: list[str]) -> str:
    """`ok`, or the failures and their numbers: `4 of 5 ok, 1 oom`."""
    failures: dict[str, int] = {}
    for one in statuses:
        if one != "ok":
            failures[one] = failures.get(one, 0) + 1
    if not failures:
        return "ok"
    if len(statuses) == 1:
        return statuses[0]
    words = ", ".join(f"{count} {name}" for name, count in failures.items())
    return f"{len(statuses) - sum(failures.values())} of {len(statuses)} ok, {words}"
