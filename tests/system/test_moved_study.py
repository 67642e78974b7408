"""A study that was moved with its data and towers: what is done there is known to be done."""

import shutil
from pathlib import Path

STUDY = """
methods = ["frozen"]
datasets = ["./shop"]
references = false
[training]
epochs = 1
batch = 4
[backbones.mini]
text = "models/words"
image = "models/looks"
"""


def test_a_study_that_was_moved_has_nothing_to_run_from_another_directory(bench, own_data, towers: str, tmp_path: Path):
    """Relative paths before and after, of data and towers, the towers under a name of the study's or by their own."""
    old, place = tmp_path / "old", tmp_path / "new" / "place"
    shutil.move(own_data(), old / "shop")
    for folder, name in zip(towers.split("+"), ("words", "looks"), strict=True):
        shutil.copytree(folder, old / "models" / name)
    (old / "mini.toml").write_text(STUDY)
    first = bench("run", "mini.toml", "--out", "runs/one", "--strict", cwd=old)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "1 cell, 1 to run; records in runs/one" in first.stdout

    place.parent.mkdir()
    shutil.move(old, place)
    described = place / "shop" / "dataset.toml"
    spelt = described.read_text().replace('text = "title"', 'text = ["title"]  # as before')
    described.write_text(f"# moved here\n{spelt}")
    elsewhere = tmp_path / "new" / "else" / "where"
    elsewhere.mkdir(parents=True)
    moved = Path("../../place")
    records = {path: path.read_bytes() for path in (place / "runs/one/records").iterdir()}
    assert len(records) == 1
    assert not [path for path, content in records.items() if str(tmp_path).encode() in content]
    command = ["run", moved / "mini.toml", "--dataset", moved / "shop", "--out", moved / "runs/one"]
    text, image = moved / "models" / "words", moved / "models" / "looks"
    alias = ["--set", f"backbones.mini.text={text}", "--set", f"backbones.mini.image={image}"]
    for named in (["--backbones", f"{text}+{image}"], alias):
        planned = bench(*command, *named, "--dry-run", cwd=elsewhere)
        assert f"0 of 1 cell would run; records and report in {moved}/runs/one" in planned.stdout, planned.stderr
