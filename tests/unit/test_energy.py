"""What counters of a card and of a processor's packages say, and what becomes of it when others use them too."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tpmebench.bench.meters import cuda
from tpmebench.bench.meters import energy as meters
from tpmebench.bench.meters.energy import EnergyMeter
from tpmebench.energy import Energy
from tpmebench.reports.analysis.energy import cache_energy, epoch_energy, joules
from tpmebench.reports.records import Epoch, Record

RANGE = 65_000_000
"""Microjoules at which these counters start anew: 65 J."""


def zone(powercap: Path, folder: str, name: str, microjoules: int = 0) -> Path:
    """A counter as the kernel shows it."""
    path = powercap / folder
    path.mkdir(parents=True)
    (path / "name").write_text(f"{name}\n")
    (path / "max_energy_range_uj").write_text(f"{RANGE}\n")
    (path / "energy_uj").write_text(f"{microjoules}\n")
    return path / "energy_uj"


def idle() -> float:
    """A machine whose processor does nothing."""
    return 0.0


def spent(meter: EnergyMeter, *changes: Callable[[], object]) -> dict[str, float] | None:
    meter.start()
    for change in changes:
        change()
    used = meter.stop()
    return None if used is None else used.joules


def test_every_package_counts_and_no_part_of_one_nor_the_board(tmp_path: Path) -> None:
    one = zone(tmp_path, "intel-rapl:0", "package-0", 1_000_000)
    other = zone(tmp_path, "intel-rapl:1", "package-1", 5)
    for folder, name in (("intel-rapl:0:0", "core"), ("intel-rapl:0:1", "dram"), ("intel-rapl:2", "psys")):
        zone(tmp_path, folder, name)
    zone(tmp_path, "intel-rapl-mmio:0", "package-0")
    meter = EnergyMeter("cpu", tmp_path, idle)
    assert (meter.names, meter.unread) == (["package-0", "package-1"], [])
    found = spent(meter, lambda: one.write_text("3500000"), lambda: other.write_text("1000005\n"))
    assert found == {"package-0": 2.5, "package-1": 1.0}


def test_packages_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for number in range(2):
        zone(tmp_path, f"intel-rapl:{number}", "package-0")
    assert EnergyMeter("cpu", tmp_path, idle).names == ["package-0", "package-0-1"]


def test_a_counter_that_starts_anew_goes_on(tmp_path: Path) -> None:
    counter = zone(tmp_path, "intel-rapl:0", "package-0", RANGE - 1_000_000)
    assert spent(EnergyMeter("cpu", tmp_path, idle), lambda: counter.write_text("500000")) == {"package-0": 1.5}


def test_a_counter_that_starts_anew_several_times_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two readings alone would tell 10 J."""
    counter = zone(tmp_path, "intel-rapl:0", "package-0")
    monkeypatch.setattr(meters, "MOST_WATTS", 65 / 0.002)
    meter = EnergyMeter("cpu", tmp_path, idle)
    meter.start()
    for microjoules in (40_000_000, 15_000_000, 55_000_000, 10_000_000):
        seen = meter._tracked[0]
        replaced = counter.with_name("next")
        replaced.write_text(str(microjoules))
        replaced.replace(counter)  # whole or not at all, as the kernel answers
        for _ in range(2000):
            if seen.last == microjoules / 1e6:
                break
            time.sleep(0.005)
    used = meter.stop()
    assert used is not None and used.joules == {"package-0": pytest.approx(40 + 40 + 40 + 20)}
    assert meter._thread is None, "it ends with the stretch"


def test_a_processor_is_known_by_all_its_packages_or_not_at_all(tmp_path: Path) -> None:
    kept, lost = (zone(tmp_path, f"intel-rapl:{n}", f"package-{n}") for n in range(2))
    meter = EnergyMeter("cpu", tmp_path, idle)
    assert spent(meter, lost.unlink, lambda: kept.write_text("7000000")) == {}
    lost.write_text("0")
    assert spent(meter, lambda: kept.write_text("8000000")) == {"package-0": 1.0, "package-1": 0.0}


def test_a_counter_that_is_gone_at_the_start_gives_nothing(tmp_path: Path) -> None:
    counter = zone(tmp_path, "intel-rapl:0", "package-0")
    meter = EnergyMeter("cpu", tmp_path, idle)
    counter.unlink()
    assert spent(meter, lambda: counter.write_text("5")) == {}


@pytest.mark.parametrize("text", ["", "many", "1.5"])
def test_what_is_no_number_is_no_counter(tmp_path: Path, text: str) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0").write_text(text)
    meter = EnergyMeter("cpu", tmp_path, idle)
    assert meter.names == []
    assert meter.unread == [f"the processor: its counters cannot be read ({tmp_path}/intel-rapl:*/energy_uj)"]


def test_what_only_root_may_read_is_not_measured_and_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2):
        zone(tmp_path, f"intel-rapl:{number}", f"package-{number}")
    read = Path.read_text

    def refuse(path: Path, *args: object, **options: object) -> str:
        if path.name == "energy_uj":  # the test may run as root, which no mode keeps out
            raise PermissionError(13, "Permission denied")
        return read(path, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "read_text", refuse)
    meter = EnergyMeter("cpu", tmp_path, idle)
    assert meter.unread == [f"the processor: only root may read its counters ({tmp_path}/intel-rapl:*/energy_uj)"]
    assert spent(meter) is None


@pytest.mark.parametrize("folder", ["absent", "."])
def test_a_system_without_counters_says_so(tmp_path: Path, folder: str) -> None:
    meter = EnergyMeter("cpu", tmp_path / folder, idle)
    assert (meter.names, meter.unread) == ([], ["the processor: this system shows no counter of it"])
    assert spent(meter) is None


def test_one_package_that_cannot_be_known_leaves_none(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0")
    zone(tmp_path, "intel-rapl:1", "package-1").with_name("max_energy_range_uj").unlink()
    assert EnergyMeter("cpu", tmp_path, idle).names == []


def test_a_cards_energy_stands_beside_the_processors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counter, said = zone(tmp_path, "intel-rapl:0", "package-0"), iter([0.0, 100.0, 175.0])
    monkeypatch.setattr(cuda, "energy", lambda device: {"cuda:0": next(said)}[device])
    monkeypatch.setattr(cuda, "others", lambda device: 2)
    meter = EnergyMeter("cuda:0", tmp_path, idle)
    assert meter.names == ["card", "package-0"]
    meter.start()
    counter.write_text("2000000")
    assert meter.stop() == Energy(joules={"card": 75.0, "package-0": 2.0}, foreign=0.0, others=2)


@pytest.mark.parametrize(("bindings", "why"), [(False, "nvidia-ml-py is not installed"), (True, "its driver does not")])
def test_a_card_without_a_counter_says_so(monkeypatch: pytest.MonkeyPatch, bindings: bool, why: str) -> None:
    monkeypatch.setattr(cuda, "energy", lambda _: None)
    monkeypatch.setattr(cuda, "has_bindings", lambda: bindings)
    meter = EnergyMeter("cuda", powercap=None)
    assert meter.names == [] and len(meter.unread) == 1 and meter.unread[0].startswith(f"the card: {why}")


def test_the_share_of_others_is_what_this_process_did_not_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0")
    own = iter([3.0, 5.0])
    monkeypatch.setattr(meters.time, "process_time", lambda: next(own))
    machine = iter([100.0, 108.0])
    meter = EnergyMeter("cpu", tmp_path, lambda: next(machine))
    meter.start()
    used = meter.stop()
    assert used is not None and used.foreign == 0.75


def test_the_machines_processor_time_goes_on_with_this_process() -> None:
    before, own = meters.machine_seconds(), time.process_time()
    while time.process_time() - own < 0.2:
        os.urandom(1000)
    assert 0.1 < meters.machine_seconds() - before < 60


def epochs(*used: Energy | None, seconds: float = 1.0) -> list[Epoch]:
    """The first is a warm-up."""
    blank = Epoch(loss=1, total=seconds, data=0.1, forward=0.1, backward=0.1, update=0.1, steps=4, users=8)
    return [blank.model_copy(update={"energy": each}) for each in (None, *used)]


@pytest.fixture
def trained(make_record: Callable[..., Record]) -> Record:
    return make_record("lora")


def package(watt_seconds: float, foreign: float | None = 0.0) -> Energy:
    return Energy(joules={"package-0": watt_seconds, "package-1": watt_seconds / 2}, foreign=foreign)


def test_an_epochs_energy_is_the_mean_over_those_that_were_not_disturbed(trained: Record) -> None:
    trained.time.epochs = epochs(package(10), package(20), package(500, foreign=0.21), package(30, foreign=0.06))
    assert epoch_energy(trained, "package") == (pytest.approx(30.0), 1, 1)
    assert epoch_energy(trained, "package", disturbed=True)[0] == pytest.approx(1.5 * 560 / 4)
    assert epoch_energy(trained, "card") == (None, 0, 0)


def test_a_card_that_others_use_tells_nothing_of_this_run(trained: Record) -> None:
    alone, shared = Energy(joules={"card": 50.0}), Energy(joules={"card": 90.0}, others=1)
    trained.time.epochs = epochs(alone, shared)
    assert epoch_energy(trained, "card") == (50.0, 0, 1)
    trained.time.epochs = epochs(shared, shared)
    assert epoch_energy(trained, "card") == (None, 0, 2)


def test_an_epoch_that_waited_is_no_part_of_energy_as_of_time(trained: Record) -> None:
    trained.time.epochs = epochs(package(10), package(99))
    trained.time.epochs[2].waited = 0.5
    assert epoch_energy(trained, "package")[0] == 15.0


def test_counters_say_nothing_of_moments(trained: Record) -> None:
    trained.time.epochs = epochs(package(1), package(1), seconds=0.3)
    assert epoch_energy(trained, "package") == (None, 0, 0)


def test_the_cache_builds_energy_is_withheld_alike(trained: Record) -> None:
    trained.time.cache_energy = package(4)
    assert (cache_energy(trained, "package"), cache_energy(trained, "card")) == (6.0, None)
    trained.time.cache_energy = package(4, foreign=0.3)
    assert cache_energy(trained, "package") is None
    assert cache_energy(trained, "package", disturbed=True) == 6.0


def test_energies_of_two_stretches_add_up_where_a_counter_was_read_in_both() -> None:
    both = Energy(joules={"card": 1, "package-0": 2}, foreign=0.1).plus(Energy(joules={"card": 3}, others=1))
    assert both == Energy(joules={"card": 4}, foreign=0.1, others=1)
    assert joules(package(2).scaled(3), "package") == 9.0
