"""`bench check` over files: how a baseline is made, held and renewed, and what the check says of itself."""

import json
from pathlib import Path

import pytest
from checked import SECONDS, disturb, measured, on, record, study, with_memory

from tpmebench.bench.guard import baseline as baselines
from tpmebench.bench.guard.check import CheckOptions, check, run_check
from tpmebench.bench.guard.findings import Outcome
from tpmebench.errors import BenchError
from tpmebench.reports.records import Record


def write(folder: Path, records: list[Record]) -> Path:
    for one in records:
        one.save(folder)
    return folder


def outcome(folder: Path, file: Path, update: bool = False) -> Outcome:
    return run_check(folder, file, CheckOptions(update))[1]


def test_the_command_makes_holds_and_updates_a_baseline(tmp_path: Path) -> None:
    file = tmp_path / "baselines" / "demo.json"
    good, bad = write(tmp_path / "good", study(noise=1)), write(tmp_path / "bad", study(with_memory(2), noise=2))
    with pytest.raises(BenchError, match="make it with --update"):
        run_check(good, file)
    assert run_check(good, file, CheckOptions(update=True))[0] == 0
    content = json.loads(file.read_text())
    assert content["reference"] == "fft"
    assert content["settings"]["dataset"] == "bazaar"
    assert len(file.read_text().splitlines()) < 300
    assert run_check(good, file)[0] == 0
    code, found = run_check(bad, file)
    assert code == 1
    assert "| lora | training memory | 977 KiB | 1.91 MiB | +100.0% | worse |" in found.markdown()
    content["tolerances"]["memory"] = 1.5
    file.write_text(json.dumps(content))
    assert run_check(bad, file)[0] == 0
    run_check(bad, file, CheckOptions(update=True))
    assert baselines.read(file).tolerances.memory == 1.5
    assert run_check(good, file)[0] == 0


def test_a_link_to_a_baseline_stays_one_and_leads_somewhere(tmp_path: Path) -> None:
    run, file, link = write(tmp_path / "run", study()), tmp_path / "held" / "demo.json", tmp_path / "link.json"
    link.symlink_to(file)
    for update in (False, True):
        with pytest.raises(BenchError, match=r"link\.json: .*a link to nothing"):
            run_check(run, link, CheckOptions(update))
    run_check(run, file, CheckOptions(update=True))
    file.write_text(file.read_text().replace('"reference": "fft"', '"reference": "lora"'))
    before = file.read_text()
    run_check(write(tmp_path / "other", study(noise=2)), link, CheckOptions(update=True))
    assert link.readlink() == file
    assert file.read_text() != before and baselines.read(file).reference == "lora"


def test_no_baseline_is_put_among_records(tmp_path: Path) -> None:
    run = write(tmp_path / "run", study())
    with pytest.raises(BenchError, match=r"--baseline .*b\.json: lies among the records of a study"):
        run_check(run, run / "records" / "b.json", CheckOptions(update=True))
    assert not (run / "records" / "b.json").exists()


def test_a_failed_run_cannot_become_the_baseline(tmp_path: Path) -> None:
    records = study()
    records[0].status = "crashed"
    with pytest.raises(BenchError, match="fft failed in this run"):
        run_check(write(tmp_path / "run", records), tmp_path / "demo.json", CheckOptions(update=True))
    assert not (tmp_path / "demo.json").exists()


def test_green_shows_a_row_a_method_and_what_would_have_been_seen(tmp_path: Path) -> None:
    file = tmp_path / "demo.json"
    run_check(write(tmp_path / "first", study(noise=1)), file, CheckOptions(update=True))
    found = outcome(write(tmp_path / "second", study(noise=2)), file)
    assert sorted((row.case, row.verdict) for row in found.rows) == [(method, "held") for method in sorted(SECONDS)]
    assert all(" would show" in row.why for row in found.rows)
    text = " ".join(found.notes)
    assert "This run's own noise: epochs of a cell differ by 2." in text or "differ by 3." in text
    assert "A slow-down would be found from" in text


def test_the_noise_is_the_runs_own_and_decides_what_can_be_seen(tmp_path: Path) -> None:
    def least(spread: float) -> float:
        now = [record(method, repeat=repeat) for repeat in range(2) for method in SECONDS]
        for one in now:
            for number, epoch in enumerate(one.time.epochs):
                epoch.total *= 1 + (spread * (-1) ** number if one.cell.method == "lora" else 0)
        found = check(measured(now), measured(study(noise=2)))
        return next(f.least for f in found if f.case == "lora" and f.least is not None)

    assert 0.15 < least(0.01) < least(0.1) < least(0.3)
    calm = write(tmp_path / "calm", study())
    run_check(calm, tmp_path / "demo.json", CheckOptions(update=True))
    assert outcome(calm, tmp_path / "demo.json").notes[0] == (
        "This run's own noise: epochs of a cell differ by 0.0%, a ratio to the reference from repeat to repeat by 0.0%."
    )


def test_epochs_left_out_and_the_machine_are_said(tmp_path: Path) -> None:
    file = tmp_path / "demo.json"
    run_check(write(tmp_path / "first", study(noise=1)), file, CheckOptions(update=True))
    now = on(study(disturb(0.5, slice(1, 3)), noise=2), cpu="A new processor", warnings=["busy"])
    text = " ".join(outcome(write(tmp_path / "second", now), file).notes)
    assert "4 of 48 epochs were disturbed by other work and take no part in the ratios." in text
    assert "This machine (A new processor, 2 cores, 2 threads) is new to the baseline" in text
    assert "held against those of A processor, 2 cores, 2 threads and only warn" in text
    assert "Something else used this machine when the run began." in text


def benchmarks(folder: Path, name: str, factor: float = 1.0, operations: int = 100, data: bool = True) -> Path:
    """A file as pytest-benchmark writes it, of two methods and a benchmark that has no parameter."""
    entries = []
    for test, seconds in (("test_step[fft]", 1.0), ("test_step[lora]", 0.5 * factor), ("test_ranking", 2.0)):
        rounds = [seconds * jitter for jitter in (0.98, 1.0, 1.01, 1.02, 0.99)]
        stats = {"q1": rounds[0], "median": rounds[1], "q3": rounds[3]} | ({"data": rounds} if data else {})
        extra = {"parameters": 7, "operations": operations, "tensor_bytes": 4096, "note": "kept out", "flag": True}
        entries.append({"name": test, "stats": stats, "extra_info": extra})
    path = folder / name
    machine = {"machine": "x86_64", "cpu": {"brand_raw": "A processor", "count": 2}}
    path.write_text(json.dumps({"machine_info": machine, "benchmarks": entries}))
    return path


@pytest.mark.parametrize("data", [True, False])
def test_benchmarks_of_pytest_are_held_too(tmp_path: Path, data: bool) -> None:
    file = tmp_path / "perf.json"
    run_check(benchmarks(tmp_path, "before.json", data=data), file, CheckOptions(update=True))
    assert run_check(benchmarks(tmp_path, "same.json", data=data), file)[0] == 0
    code, found = run_check(benchmarks(tmp_path, "slow.json", factor=1.5, data=data), file)
    page = found.markdown()
    assert code == 1
    assert page.count("| worse |") == 1
    assert "time / test\\_step\\[fft]" in page
    code, found = run_check(benchmarks(tmp_path, "more.json", operations=110, data=data), file)
    assert code == 1
    assert found.markdown().count("| worse |") == 3
    study_run = write(tmp_path / "run", study())
    with pytest.raises(BenchError, match="made from pytest-benchmark"):
        run_check(study_run, file)


def test_another_json_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(BenchError, match="not a JSON file of pytest-benchmark"):
        run_check(tmp_path / "other.json", tmp_path / "perf.json", CheckOptions(update=True))
