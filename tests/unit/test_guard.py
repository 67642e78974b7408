"""`bench check` on made-up records: what must fail a build, what must not, and by how much."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from checked import (
    disturb,
    measured,
    on,
    record,
    study,
    times,
    with_memory,
    with_operations,
    with_parameters,
)

from tpmebench.bench.guard import measured as measuring
from tpmebench.bench.guard.check import FAILING, check
from tpmebench.bench.guard.time_ratios import verdict_of
from tpmebench.cell import BackboneChoice, Training
from tpmebench.reports.records import PhaseMemory, Record


def alarms(now: list[Record], before: list[Record]) -> list[tuple[str, str, str]]:
    found = check(measured(now), measured(before))
    return [(f.case, f.number, f.verdict) for f in found if f.verdict in FAILING]


@pytest.mark.parametrize(
    ("change", "number"),
    [
        (with_memory(2), "training memory"),
        (with_memory(1.02), "training memory"),
        (with_parameters(1.05), "trainable parameters"),
        (with_parameters(1.001), "trainable parameters"),
        (with_operations(1.1), "backward operations"),
        (times(1.5), "time / fft"),
    ],
)
def test_a_planted_regression_is_the_one_alarm(change: Callable[[Record], None], number: str) -> None:
    assert alarms(study(change, noise=1), study(noise=2)) == [("lora", number, "worse")]


@pytest.mark.parametrize(
    "change", [with_memory(1.009), with_operations(1.009), times(1.1), with_memory(0.5), times(0.5)]
)
def test_less_than_the_tolerance_or_an_improvement_is_no_alarm(change: Callable[[Record], None]) -> None:
    assert alarms(study(change, noise=1), study(noise=2)) == []


def test_improvements_are_reported() -> None:
    found = check(measured(study(with_memory(0.5))), measured(study()))
    assert [(f.case, f.number, f.change) for f in found if f.verdict == "better"] == [("lora", "training memory", -0.5)]


def test_honest_repetitions_raise_no_alarm() -> None:
    assert [alarms(study(noise=seed), study(noise=seed + 100)) for seed in range(20)] == [[]] * 20


def test_a_slower_machine_meets_all_methods_alike() -> None:
    slow = study(noise=1)
    for one in slow:
        times(3.0)(one)
    assert alarms(slow, study(noise=2)) == []


@pytest.mark.parametrize(("factor", "expected"), [(1.5, [("fft", "time", "worse")]), (0.5, [])])
def test_the_reference_is_judged_by_the_others_and_does_not_drag_them_along(factor: float, expected: list) -> None:
    assert alarms(study(times(factor), of="fft", noise=1), study(noise=2)) == expected


def test_a_slow_method_is_found_though_the_reference_moved_too() -> None:
    now = study(times(0.5), of="fft", noise=1)
    for one in now:
        if one.cell.method == "iisan":
            times(1.6)(one)
    assert alarms(now, study(noise=2)) == [("iisan", "time / fft", "worse")]


def test_a_busy_machine_has_a_wider_tolerance() -> None:
    for factor, expected in ((1.3, []), (1.5, [("lora", "time / fft", "worse")])):
        assert alarms(study(times(factor), noise=1), study(noise=2)) == [("lora", "time / fft", "worse")]
        busy = on(study(times(factor), noise=1), warnings=["the machine was busy"])
        assert alarms(busy, study(noise=2)) == expected
        known = on(study(noise=2), warnings=["the machine was busy"])
        assert alarms(study(times(factor), noise=1), known) == expected


@pytest.mark.parametrize(
    "other",
    [{"cpu": "Another processor"}, {"threads": 1}, {"cores": 8}, {"gpu": "A card"}, {"versions": {"torch": "2.9.0"}}],
)
def test_on_another_machine_times_warn_and_exact_numbers_gate(other: dict[str, Any]) -> None:
    def found(change: Callable[[Record], None]) -> list[tuple[str, str, str]]:
        rows = check(measured(on(study(change, noise=1), **other)), measured(study(noise=2)))
        return [(f.case, f.number, f.verdict) for f in rows if f.verdict in (*FAILING, "warning")]

    assert found(times(1.5)) == [("lora", "time / fft", "warning")]
    assert found(times(1.2)) == []
    assert found(with_parameters(1.01)) == [("lora", "trainable parameters", "worse")]
    assert found(with_memory(2)) == [("lora", "training memory", "worse")]


def test_builds_of_one_torch_are_one_machine() -> None:
    now = on(study(times(1.5), noise=1), versions={"torch": "2.13.0+cpu"})
    assert alarms(now, on(study(noise=2), versions={"torch": "2.13.0"})) == [("lora", "time / fft", "worse")]


def on_card(records: list[Record], card: str) -> list[Record]:
    for one in records:
        assert one.memory and one.memory.training and one.memory.training.tensors
        one.cell = one.cell.model_copy(update={"device": "cuda"})
        one.memory.origin = "cuda-allocated"
        one.memory.training.allocated, one.memory.training.tensors = one.memory.training.tensors, None
    return on(records, gpu=card)


def test_memory_of_another_card_is_not_judged_but_parameters_are() -> None:
    def found(card: str, change: Callable[[Record], None]) -> list[tuple[str, str, str]]:
        rows = check(measured(on_card(study(change), card)), measured(on_card(study(), "A card")))
        return [(f.case, f.number, f.verdict) for f in rows if f.number in ("training memory", "trainable parameters")]

    rows = found("A card", with_memory(2))
    assert ("lora", "training memory", "worse") in rows
    assert ("lora", "training memory", "not judged") in found("Another card", with_memory(2))
    assert ("lora", "trainable parameters", "worse") in found("Another card", with_parameters(2))


def why_not_judged(now: list[Record], before: list[Record]) -> dict[str, str]:
    found = [f for f in check(measured(now), measured(before)) if f.number.startswith("time")]
    assert {f.verdict for f in found} == {"not judged"}
    return {f.case: f.why for f in found}


def test_few_epochs_a_single_cell_or_no_reference_are_not_judged() -> None:
    now = study(times(9))
    for one in now:
        one.time.epochs = one.time.epochs[:2]
    assert why_not_judged(now, study())["lora"] == "fewer than 3 timed epochs in this run"
    assert why_not_judged(study(), now)["lora"] == "fewer than 3 timed epochs in the baseline"
    single = [one for one in study(times(9)) if one.cell.repeat == 0]
    assert set(why_not_judged(single, study()).values()) == {"a single cell in this run; run with --repeats 3"}
    others = [one for one in study() if one.cell.method in ("lora", "bitfit")]
    assert set(why_not_judged(others, others).values()) == {"no fft to compare with in this setting"}
    cold = study()
    for one in cold:
        one.time.epochs = one.time.epochs[:1]
    assert set(why_not_judged(study(), cold).values()) == {"no timed epoch in the baseline"}


def test_a_reference_without_times_leaves_the_others_not_judged() -> None:
    def forget(one: Record) -> None:
        one.time.epochs = one.time.epochs[:1]

    found = why_not_judged(study(forget, of="fft"), study())
    assert found["fft"] == "no timed epoch in this run"
    assert found["lora"] == "fft, its reference: no timed epoch in this run"


def test_a_reference_with_few_others_is_not_judged_itself() -> None:
    few = [one for one in study(noise=1) if one.cell.method in ("fft", "lora")]
    found = {f.case: f for f in check(measured(few), measured(few)) if f.number.startswith("time")}
    assert (found["fft"].verdict, found["lora"].verdict) == ("not judged", "noise")
    assert "from 3 others on" in found["fft"].why


def test_a_run_of_two_machines_is_not_judged() -> None:
    now = study(times(9))
    on(now[3:], cpu="Another processor")
    assert all("ran on 2 machines" in why for why in why_not_judged(now, study()).values())


def test_disturbed_epochs_take_no_part_and_are_counted() -> None:
    def slowed(one: Record) -> None:
        one.time.epochs[2].total *= 20
        disturb(0.06, slice(2, 3))(one)

    now = study(slowed, noise=1)
    assert alarms(now, study(noise=2)) == []


def test_what_is_not_marked_counts() -> None:
    now = study(times(2), noise=1)
    for one in now:
        disturb(0.04)(one)
    assert alarms(now, study(noise=2)) == [("lora", "time / fft", "worse")]


def test_when_all_epochs_are_disturbed_times_are_not_judged_unless_asked() -> None:
    now = study(times(9), noise=1)
    for one in now:
        disturb(0.5)(one)
    assert why_not_judged(now, study())["lora"] == (
        "fewer than 3 timed epochs in this run, 8 more disturbed by other work"
    )
    asked = check(measuring.from_records(now, disturbed=True), measured(study(noise=2)))
    assert [f.verdict for f in asked if f.case == "lora" and f.number == "time / fft"] == ["worse"]


def test_an_alarm_needs_nearly_all_draws_beyond_the_tolerance() -> None:
    def verdict(within: int) -> str:
        """Of a thousand draws so many lie within the tolerance of 15 %, the others beyond."""
        return verdict_of(np.concatenate([np.full(within, 1.1), np.full(1000 - within, 1.2)]), 0.15)[0]

    assert verdict(3) == "worse"  # 99 % of the draws, in the middle, lie beyond
    assert verdict(8) == verdict(40) == "noise"


def test_repeats_give_an_interval_where_one_epoch_cannot() -> None:
    def repeats(factor: float, noise: int) -> list[Record]:
        records = [record(method, repeat=r, noise=noise) for r in range(3) for method in ("fft", "lora")]
        for one in records:
            one.time.epochs = one.time.epochs[:2]
            if one.cell.method == "lora":
                times(factor)(one)
        return records

    assert alarms(repeats(1.0, noise=1), repeats(1.0, noise=2)) == []
    assert alarms(repeats(1.5, noise=1), repeats(1.0, noise=2)) == [("lora", "time / fft", "worse")]


def accuracy(value: float) -> Callable[[Record], None]:
    def change(one: Record) -> None:
        assert one.accuracy
        one.accuracy.test.metrics["HR@10"] = value

    return change


def test_accuracy_falls_beyond_three_deviations_of_a_difference_of_shares() -> None:
    # √(2 · 0.2 · 0.8 / 2000) · 3 = 0.038
    assert alarms(study(accuracy(0.165)), study()) == []
    assert alarms(study(accuracy(0.160)), study()) == [("lora", "HR@10", "worse")]
    assert alarms(study(accuracy(0.250)), study()) == []


def test_many_seeds_narrow_the_band_to_their_own_spread() -> None:
    def seeds(mean: float) -> list[Record]:
        records = [record("fft", seed=seed) for seed in range(5)]
        for one, offset in zip(records, (-0.002, -0.001, 0, 0.001, 0.002), strict=True):
            accuracy(mean + offset)(one)
        return records

    # deviation 0.00158; 3 · √(2 · 0.00158² / 5) = 0.003
    assert alarms(seeds(0.198), seeds(0.2)) == []
    assert alarms(seeds(0.195), seeds(0.2)) == [("fft", "HR@10", "worse")]


def test_exact_numbers_are_compared_seed_by_seed() -> None:
    before = [record("lora", seed=seed) for seed in (0, 1, 2)]  # each with parameters of its own
    assert alarms([record("lora", seed=1)], before) == []
    assert alarms([record("lora", seed=7)], before)[0] == ("lora", "cell", "missing")


def test_of_several_seeds_a_rise_outweighs_a_larger_fall() -> None:
    before = [record("lora", seed=seed) for seed in (0, 1)]
    now = [record("lora", seed=seed) for seed in (0, 1)]
    with_parameters(1.05)(now[0])
    with_parameters(0.5)(now[1])
    assert alarms(now, before) == [("lora", "trainable parameters", "worse")]


def test_failed_missing_and_new_cells() -> None:
    now = study()
    now[0].status, now[0].error = "oom", "out of memory"
    now = [one for one in now if one.cell.method != "lora"]
    now.append(record("fft", training=Training(epochs=5, precision="bf16")))
    found = check(measured(now), measured(study()))
    named = {f.case.split()[0]: (f.verdict, f.why) for f in found if f.number == "cell" and f.verdict != "new"}
    assert named == {"fft": ("failed", "oom: out of memory"), "lora": ("missing", "not in this run")}
    assert [f.case for f in found if f.verdict == "new"] == ["fft (precision=bf16)"]


def test_a_cell_whose_options_changed_is_paired_with_numbers() -> None:
    now = [record("lora", options={"r": 16})]
    with_parameters(2)(now[0])
    found = check(measured(now), measured([record("lora", options={"r": 8})]))
    assert [(f.number, f.verdict) for f in found if f.verdict not in ("same", "noise", "not judged")] == [
        ("settings", "changed"),
        ("trainable parameters", "worse"),
    ]
    assert found[0].why == "options.r 8 → 16"


def test_an_option_that_is_new_does_not_break_an_old_baseline() -> None:
    before = [record("lora", options={"r": r}) for r in (4, 8)]
    now = [record("lora", options={"r": r, "scale": "plain"}) for r in (4, 8)]
    found = check(measured(now), measured(before))
    assert not [f for f in found if f.verdict in FAILING]
    assert [(f.case, f.verdict, f.why) for f in found if f.number in ("settings", "cell")] == [
        (f"lora (r={r})", "changed", "options.scale (unknown) → plain") for r in (4, 8)
    ]


def test_a_cell_that_ran_on_other_data_is_missing_with_the_setting_named() -> None:
    found = check(measured([record("lora", dataset="a")]), measured([record("lora", dataset="b")]))
    assert [(f.number, f.verdict, f.why) for f in found] == [
        ("cell", "missing", "run with other settings: dataset b → a"),
        ("cell", "new", "not in the baseline; add it with --update"),
    ]


def test_where_a_folder_stands_does_not_matter() -> None:
    def at(place: str) -> list[Record]:
        return [
            record(
                "lora",
                dataset=f"iisan-release:{place}/shop",
                backbones=BackboneChoice(text=f"{place}/bert", image="a/b"),
            )
        ]

    settings = measured(at("/here")).settings
    assert (settings["dataset"], settings["backbones.text"], settings["backbones.image"]) == (
        "iisan-release:shop",
        "bert",
        "a/b",
    )
    assert alarms(at("/here"), at("/there")) == []


def test_a_number_that_is_no_longer_measured_fails_unless_it_is_not_always_there() -> None:
    def built(one: Record) -> None:
        one.time.cache_reused = False

    def forget(one: Record) -> None:
        assert one.memory
        one.memory.training = one.memory.cache_build = None

    assert alarms(study(forget), study(built)) == [("lora", "training memory", "missing")]
    found = check(measured(study(forget)), measured(study(built)))
    assert ("lora", "not judged", "this run built no cache") in [
        (f.case, f.verdict, f.why) for f in found if f.number == "cache build memory"
    ]


def test_memory_of_a_build_counts_only_where_something_was_built() -> None:
    def build(reused: bool, size: int) -> Callable[[Record], None]:
        def change(one: Record) -> None:
            assert one.memory
            one.time.cache_reused, one.memory.cache_build = reused, PhaseMemory(tensors=size)

        return change

    assert alarms(study(build(False, 200)), study(build(False, 100))) == [("lora", "cache build memory", "worse")]
    assert alarms(study(build(True, 200)), study(build(False, 100))) == []


def test_a_number_that_the_baseline_does_not_know_is_listed() -> None:
    def forget(one: Record) -> None:
        one.compute = None

    found = check(measured(study()), measured(study(forget)))
    assert {(f.case, f.number) for f in found if f.verdict == "not judged" and "--update" in f.why} == {
        ("lora", "forward operations"),
        ("lora", "backward operations"),
    }


def test_of_a_seed_and_repeat_that_stands_twice_the_newest_counts() -> None:
    old, new = record("lora"), record("lora")
    with_parameters(3)(old)
    old.cell_id = "older"
    assert alarms([old, new], [record("lora")]) == []
