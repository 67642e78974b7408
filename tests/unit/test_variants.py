"""Methods with settings of their own: how they are written, what a row is, and which cells `--rerun` means."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tpmebench.bench.guard import pairing
from tpmebench.bench.running.request import Request
from tpmebench.bench.study.grid import Planned, plan
from tpmebench.bench.study.study import Study, read_study
from tpmebench.bench.study.variants import Variant, split_methods
from tpmebench.bench.worker.build import TrainedCell
from tpmebench.bench.worker.rates import training_rates
from tpmebench.bench.worker.step import Trainer
from tpmebench.cell import BackboneChoice, Cell, Training
from tpmebench.errors import BenchError
from tpmebench.methods.method import LearningRates
from tpmebench.reports.analysis.rows import label_cells
from tpmebench.reports.records import Record

NOWHERE = Path("nowhere")
OWN = '''
from tpmebench.methods.embedded.bitfit import BitFit
from tpmebench.methods.method import Options


class Settings(Options):
    lr: int = 1


class Own(BitFit):
    """Has an option that is called as a rate is."""

    options = Settings
'''


def cells(*methods: str, **study: Any) -> list[Planned]:
    values = {"methods": list(methods), "device": "cpu", "references": False, **study}
    return plan(Study.model_validate(values), NOWHERE, "0.1.0")


@pytest.mark.parametrize(
    ("text", "methods"),
    [
        ("fft,lora", ["fft", "lora"]),
        ("fft,lora:r=16,lr=4e-4,iisan-cached:layers=2", ["fft", "lora:r=16,lr=4e-4", "iisan-cached:layers=2"]),
        (" fft , lora:r=16 , alpha=2 ,, bitfit", ["fft", "lora:r=16,alpha=2", "bitfit"]),
        ("lora,r=16", ["lora:r=16"]),
        ("iisan:layers=[1, 2],gated=false,fft", ["iisan:layers=[1, 2],gated=false", "fft"]),
        ("./a.py:Class:r=2,x=3,my.module:Class,lora", ["./a.py:Class:r=2,x=3", "my.module:Class", "lora"]),
    ],
)
def test_a_piece_with_a_value_continues_the_method_before_it(text: str, methods: list[str]):
    assert split_methods(text) == methods
    assert Study.model_validate({"methods": text}).methods == methods


@given(st.text(alphabet="a:=,[]{}r1. ", max_size=30))
def test_whatever_is_written_is_read_or_refused_in_one_line(text: str):
    try:
        for method in split_methods(text):
            Variant.read(method)
    except BenchError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("text", "name", "settings"),
    [
        ("lora", "lora", {}),
        ("lora:r=16,lr=4e-4", "lora", {"r": 16, "lr": 4e-4}),
        ("my.module:Class", "my.module:Class", {}),
        ("./file.py:Class:opt=word", "./file.py:Class", {"opt": "word"}),
        ("iisan:layers=[1, 2],networks=intra,gated=false", "iisan", None),
    ],
)
def test_name_and_settings_of_a_variant(text: str, name: str, settings: dict[str, Any] | None):
    assert Variant.read(text).name == name
    expected = {"layers": [1, 2], "networks": "intra", "gated": False} if settings is None else settings
    assert Variant.read(text).settings == expected


@pytest.mark.parametrize(
    ("methods", "parts"),
    [
        (":", ["':'", "NAME:option=value"]),
        ("lora:", ["'lora:'", "NAME:option=value"]),
        (":r=4", ["':r=4'", "NAME:option=value"]),
        ("r=4,fft", ["'r=4'", "before any method"]),
        ("lora:r=", ["'r='", "option=value"]),
        ("lora:=4", ["'lora:=4'", "NAME:option=value"]),
        ("lora:r=4,r=8", ["'r' stands there twice"]),
        ("lora:r=1e999", ["lora", "'r'", "got inf"]),
        ("lora:r=99999999999", ["lora", "'r'", "65536"]),
        ("lora:alpha=nan", ["lora", "'alpha'"]),
        ("lora:lr=0", ["'lora'", "'lr'", "greater than 0"]),
        ("lora:lr=1e999", ["'lora'", "'lr'"]),
        ("lora:lr=fast", ["'lora'", "'lr'", "valid number (got 'fast')"]),
        ("lora:head_lr=true", ["'lora'", "'head_lr'"]),
        ("lora:rank_=4", ["'lora' 'rank_'", "r, alpha, dropout, targets, lr, towers, head_lr"]),
        ("lora:alfa=4", ["did you mean 'alpha'?", "(known: r, alpha, dropout, targets, lr, towers, head_lr, learning"]),
        ("popularity:lr=1", ["'popularity'", "neither options nor rates"]),
        ("lora:16", ["'lora:16'", "NAME:option=value"]),
        ("nope:r=1", ["unknown method 'nope'"]),
        ("iisan:layers=[1", ["'layers'"]),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_write(methods: str, parts: list[str]):
    with pytest.raises(BenchError) as caught:
        plan(read_study(None, {"methods": methods}, ["references=false"]), NOWHERE, "0")
    assert all(part in str(caught.value) for part in parts), caught.value
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["options", "epochs"])
def test_a_table_by_method_names_the_method_alone(key: str):
    with pytest.raises(BenchError, match="'lora:r=4' is a variant"):
        cells("lora", **{key: {"lora:r=4": {} if key == "options" else 3}})


def test_settings_that_equal_the_defaults_are_the_default_row():
    (plain,) = cells("lora")
    spelt = ("lora:r=8", "lora:alpha=8", "lora:alpha=8.0,r=8,dropout=0", "lora,dropout=0.0")
    for text in spelt:
        (planned,) = plan(Study.model_validate({"methods": text, "device": "cpu", "references": False}), NOWHERE, "0")
        assert (planned.cell.id, planned.cell.options) == (plain.cell.id, plain.cell.options), text
    assert [each.cell.id for each in cells("lora", *spelt[:3], "lora")] == [plain.cell.id]
    (written,) = cells("lora", options={"lora": {"alpha": 8}})
    assert written.cell.id == plain.cell.id


def test_each_variant_is_a_cell_of_its_own_with_a_label():
    planned = cells("lora", "lora:r=16,lr=4e-4", "lora:head_lr=1e-3", "iisan-cached:layers=2")
    assert [each.label for each in planned] == [
        "lora",
        "lora (r=16, lr=0.0004)",
        "lora (head_lr=0.001)",
        "iisan-cached (layers=[2])",
    ]
    assert len({each.cell.id for each in planned}) == 4
    assert {each.places.method for each in planned} == {"lora", "iisan-cached"}


def test_a_cell_without_rates_is_what_it_was_before_there_were_any():
    (plain, rated) = cells("lora", "lora:lr=1e-3")
    assert "rates" not in plain.cell.identity()
    assert rated.cell.identity()["rates"] == {"lr": 1e-3}
    assert Cell.model_validate(plain.cell.model_dump(exclude={"rates"})).id == plain.cell.id


def test_a_variant_stands_over_the_options_of_its_method():
    options = {"lora": {"r": 4, "alpha": 2.0, "lr": 0.1}}
    plain, variant = cells("lora", "lora:r=16", options=options)
    assert (plain.cell.options["r"], plain.cell.options["alpha"], plain.cell.rates) == (4, 2.0, {"lr": 0.1})
    assert (variant.cell.options["r"], variant.cell.options["alpha"], variant.cell.rates) == (16, 2.0, {"lr": 0.1})


def test_rates_stand_by_method_below_those_of_its_variants():
    study = {"rates": {"lora": {"towers": 4e-4, "head": 2e-4}, "iisan": {"learning_rate_scale": 3}}}
    plain, rated, other = cells("lora", "lora:head=1e-3", "iisan", **study)
    assert plain.cell.rates == {"towers": 4e-4, "head_lr": 2e-4}
    assert rated.cell.rates == {"towers": 4e-4, "head_lr": 1e-3}
    assert other.cell.rates == {"learning_rate_scale": 3.0}
    assert [each.label for each in (plain, rated, other)] == [
        "lora (towers=0.0004, head_lr=0.0002)",
        "lora (towers=0.0004, head_lr=0.001)",
        "iisan (learning_rate_scale=3)",
    ]
    assert Variant.read("lora:head=1e-3").covers(rated.cell) and not Variant.read("lora:head=1e-3").covers(plain.cell)


def test_a_scale_that_is_the_studys_makes_no_other_cell():
    (plain,) = cells("lora", training={"learning_rate_scale": 3.0})
    assert [each.cell.id for each in cells("lora:learning_rate_scale=3", training={"learning_rate_scale": 3.0})] == [
        plain.cell.id
    ]


@pytest.mark.parametrize(
    ("rates", "parts"),
    [
        (
            {"lora": {"r": 4}},
            ["rates.lora", "unknown rate of method 'lora' 'r'", "lr, towers, head_lr, learning_rate_scale"],
        ),
        ({"frozen": {"towers": 1e-3}}, ["rates.frozen", "'towers'"]),
        ({"popularity": {"lr": 1e-3}}, ["rates.popularity", "'lr'"]),
        ({"lora": {"towers": "fast"}}, ["'lora'", "'towers'", "got 'fast'"]),
        ({"lora:r=4": {"lr": 1e-3}}, ["'lora:r=4' is a variant"]),
        ({"lroa": {"lr": 1e-3}}, ["did you mean 'lora'"]),
    ],
)
def test_a_mistake_in_a_table_of_rates_is_one_line(rates: dict[str, Any], parts: list[str]):
    with pytest.raises(BenchError) as caught:
        cells("fft", rates=rates)
    assert all(part in str(caught.value) for part in parts), caught.value


def test_all_may_stand_among_variants():
    planned = cells("lora:r=2", "all")
    assert planned[0].label == "lora (r=2)"
    assert {"fft", "lora", "iisan-cached"} <= {each.label for each in planned}


def test_an_option_of_a_methods_own_stands_before_a_rate_of_that_name(tmp_path: Path):
    (tmp_path / "own_rates.py").write_text(OWN)
    (planned,) = cells(f"{tmp_path}/own_rates.py:Own:lr=3,head_lr=0.5")
    assert (planned.cell.options, planned.cell.rates) == ({"lr": 3}, {"head_lr": 0.5})
    assert planned.label == "own_rates:Own (lr=3, head_lr=0.5)"


@pytest.mark.parametrize(
    ("text", "meant"),
    [("lora", 3), ("lora:r=16", 2), ("lora:r=16,lr=4e-4", 1), ("lora:r=8", 1), ("lora:lr=4e-4", 1), ("fft", 1)],
)
def test_a_variant_covers_the_cells_with_its_settings(text: str, meant: int):
    planned = cells("fft", "lora", "lora:r=16", "lora:r=16,lr=4e-4")
    assert sum(Variant.read(text).covers(each.cell) for each in planned) == meant


def test_given_rates_train_as_they_are_and_others_as_they_are_scaled():
    encoder = torch.nn.Linear(1, 1)
    weight, bias = encoder.parameters()
    own = LearningRates({"tower": ([weight], 1e-3), "rest": ([bias], 2e-3)}, 3e-3)

    def rates(**given: float) -> dict[str, float]:
        cell = Cell(
            method="lora",
            rates=given,  # pyright: ignore[reportArgumentType]
            dataset="bazaar",
            backbones=BackboneChoice(text="micro", image=None),
            training=Training(learning_rate_scale=2.0),
        )
        found = training_rates(own, cell, encoder)
        return {name: rate for name, (_, rate) in found.groups.items()} | {"head": found.head}

    assert rates() == {"tower": 2e-3, "rest": 4e-3, "head": 6e-3}
    assert rates(lr=0.5) == {"tower": 0.5, "rest": 0.5, "head": 6e-3}
    assert rates(head_lr=0.5) == {"tower": 2e-3, "rest": 4e-3, "head": 0.5}
    assert rates(learning_rate_scale=10.0) == pytest.approx({"tower": 1e-2, "rest": 2e-2, "head": 3e-2})
    assert rates(learning_rate_scale=10.0, lr=0.5) == pytest.approx({"tower": 0.5, "rest": 0.5, "head": 3e-2})
    with pytest.raises(BenchError, match="nothing inside the towers is trained"):
        rates(towers=0.5)


def test_a_rate_for_the_towers_trains_what_is_inside_them_alone(small_cell: Callable[..., TrainedCell]):
    def rates(parts: TrainedCell) -> dict[str, float]:
        trainer = Trainer(parts)
        return {name: rate for name, (_, rate) in trainer.rates.groups.items()} | {"head": trainer.rates.head}

    own = rates(small_cell("lora"))
    assert set(own) == {"fusion", "text tower", "image tower", "head"}
    given = rates(small_cell("lora", rates={"towers": 0.5}))
    assert given == own | {"text tower": 0.5, "image tower": 0.5}
    assert rates(small_cell("lora", rates={"towers": 0.5, "lr": 0.25})) == given | {"fusion": 0.25}


def test_a_group_that_stands_inside_and_outside_the_towers_is_divided(small_cell: Callable[..., TrainedCell]):
    encoder = small_cell("fft").recommender.item_encoder
    everything = list(encoder.parameters())
    cell = small_cell("fft", rates={"towers": 0.5}).cell
    found = training_rates(LearningRates({"all": (everything, 1e-3)}, 3e-3), cell, encoder).groups
    (inner, rate), (outer, other) = found["all, in towers"], found["all"]
    assert (rate, other) == (0.5, 1e-3)
    assert len(inner) + len(outer) == len(everything)
    assert {id(each) for each in outer} == {id(each) for each in encoder.rest()}  # pyright: ignore


def test_rates_tell_rows_and_experiments_apart_as_options_do(make_record: Callable[..., Record]):
    plain = make_record("lora")
    rated = Record.model_validate(plain.model_dump() | {"cell": plain.cell.model_dump() | {"rates": {"lr": 0.5}}})
    rated.cell_id = rated.cell.id
    assert list(label_cells([plain, rated]).values()) == ["lora", "lora (lr=0.5)"]
    assert pairing.names([pairing.settings(plain.cell), pairing.settings(rated.cell)]) == ["lora", "lora (lr=0.5)"]
    assert not pairing.same(pairing.settings(plain.cell), pairing.settings(rated.cell))
    assert pairing.same_setting(pairing.settings(plain.cell), pairing.settings(rated.cell))


def test_rerun_names_variants_that_the_study_has():
    planned = cells("fft", "lora", "lora:r=16")
    request = Request(NOWHERE, rerun=("lora:r=16",))
    request.check(planned)
    assert [request.reruns(each) for each in planned] == [False, False, True]
    with pytest.raises(BenchError, match=r"no cell of this study is 'lora:r=3': there are lora, lora \(r=16\)"):
        Request(NOWHERE, rerun=("lora:r=3",)).check(planned)
    with pytest.raises(BenchError, match=r"'rank'.*r, alpha"):
        Request(NOWHERE, rerun=("lora:rank=3",)).check(planned)


def test_rerun_says_what_there_is_of_a_method_that_is_named_by_its_file(tmp_path: Path):
    (tmp_path / "own_again.py").write_text(OWN)
    planned = cells(f"{tmp_path}/own_again.py:Own")
    with pytest.raises(BenchError, match=r"own_again\.py:Own:lr=3': there are own_again:Own$"):
        Request(NOWHERE, rerun=(f"{tmp_path}/own_again.py:Own:lr=3",)).check(planned)
