"""Plans of the paper's setting beside the paper's figures, worked by hand."""

from pathlib import Path

from checked import record

from tpmebench.reports.measurements import Plan
from tpmebench.reports.records import Memory, Parameters, PhaseMemory
from tpmebench.reports.tables.beside_paper import markdown

PAPER = """\
method,batch,seconds_low,seconds_high,gigabytes_low,gigabytes_high,parameters
fft,32,400,400,40,40,1000
lora,32,200,300,20,20,100
bitfit,32,,,,,50
iisan-cached,64,20,20,4,4,500
"""
OURS = {
    "fft": (1000, 800, {32: 50e9, 64: 100e9}),
    "lora": (100, 600, {32: 30e9, 64: 60e9}),
    "bitfit": (50, 600, {32: 20e9, 64: 40e9}),
    "iisan-cached": (500, 8, {32: 1e9, 64: 2e9}),
}


def test_each_method_stands_at_its_batch_and_tpme_over_those_that_the_paper_reports(tmp_path: Path) -> None:
    (tmp_path / "paper.csv").write_text(PAPER)
    for name, (parameters, operations, memory) in OURS.items():
        for batch in (32, 64):
            planned = record(name).model_copy(deep=True)
            planned.parameters = Parameters(trainable=parameters, total=1000)
            planned.memory = Memory(origin="cpu-tensors", training=PhaseMemory(tensors=int(memory[batch])))
            planned.plan = Plan(operations=operations)
            planned.save(tmp_path / f"batch-{batch}")
    rows = {line.split(" | ")[0].strip("| "): line.strip("| ").split(" | ") for line in markdown(tmp_path).splitlines()}

    # batch, M at 32 and 64, M reported, operations and time to fft's, P twice, TPME twice
    assert rows["fft"][1:] == ["32", "50", "100", "40", "1", "1", "1,000", "1,000", "1.000", "1.000"]
    # Planned, over fft, lora and iisan-cached: T 592/792, P 0, M at the methods' batches 28/48. Reported: T 230/380 of
    # the middle, P 0, M 16/36.
    lora = 0.45 * 592 / 792 + 0.45 * 28 / 48, 0.45 * 230 / 380 + 0.45 * 16 / 36
    assert rows["lora"][1:] == [
        "32",
        "30",
        "60",
        "20",
        "0.75",
        "0.5 to 0.75",
        "100",
        "100",
        *(f"{x:.3f}" for x in lora),
    ]
    assert rows["bitfit"][1:] == ["32", "20", "40", "–", "0.75", "–", "50", "50", "–", "–"]
    cached = 0.1 * 400 / 900
    assert rows["iisan-cached"][1:] == [
        "64",
        "1",
        "2",
        "4",
        "0.01",
        "0.05",
        "500",
        "500",
        f"{cached:.3f}",
        f"{cached:.3f}",
    ]
