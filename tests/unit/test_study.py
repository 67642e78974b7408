"""Studies: where their values come from, and that every mistake in one is named with its place."""

from collections.abc import Callable
from pathlib import Path

import pytest
from bounds import bounded
from hypothesis import given
from hypothesis import strategies as st
from schemas import as_toml, keys, mutated, strange, toml_value

from tpmebench.bench.study.schema import DEMO_METHODS, Study
from tpmebench.bench.study.shipped import STUDIES
from tpmebench.bench.study.study import read_study
from tpmebench.errors import BenchError


@pytest.fixture
def study_file(tmp_path: Path):
    """Writes a study file and returns its path as a user gives it."""

    def write(text: str) -> str:
        path = tmp_path / "mine.toml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def test_without_anything_the_demo_is_read():
    study = read_study(None, {}, [])
    assert (study.name, study.methods) == ("demo", list(DEMO_METHODS))
    assert (study.datasets, study.backbones) == (["bazaar"], ["micro"])


@pytest.mark.parametrize("name", sorted(path.stem for path in STUDIES.glob("*.toml")))
def test_shipped_studies_are_read_by_name_and_bear_it(name: str):
    assert read_study(name, {}, []).name == name


def test_a_folder_does_not_hide_the_shipped_study_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "ci").mkdir()
    monkeypatch.chdir(tmp_path)
    assert read_study("ci", {}, []).name == "ci"


def test_naming_a_dataset_leaves_the_demo_for_the_published_protocol():
    study = read_study(None, {"datasets": ["somewhere/else"]}, [])
    assert study.training.learning_rate_scale == 1.0
    assert (study.training.epochs, study.name) == (30, "study")


def test_a_file_without_a_name_is_called_after_its_file(study_file):
    assert read_study(study_file("seeds = 2"), {}, []).name == "mine"


def test_flags_stand_over_the_file_and_settings_over_flags(study_file):
    source = study_file('seeds = 2\nmethods = ["fft"]\n[training]\nepochs = 3\nbatch = 8')
    study = read_study(source, {"seeds": 4, "training.epochs": 7}, ["training.epochs=9"])
    assert (study.seeds, study.training.epochs, study.training.batch) == (4, 9, 8)
    assert study.methods == ["fft"]


def test_a_flag_that_was_not_given_changes_nothing(study_file):
    assert read_study(study_file("seeds = 2"), {"seeds": None}, []).seeds == 2


def test_epochs_among_the_flags_are_those_of_every_method(study_file):
    source = study_file("[training]\nepochs = 3\n[epochs]\nfft = 2")
    assert read_study(source, {"training.epochs": None}, []).epochs == {"fft": 2}
    study = read_study(source, {"training.epochs": 7}, ["epochs.lora=9"])
    assert (study.training.epochs, study.epochs) == (7, {"lora": 9})


def test_methods_may_be_written_with_commas():
    assert read_study(None, {"methods": "lora, iisan,"}, []).methods == ["lora", "iisan"]


@pytest.mark.parametrize(
    ("setting", "read"),
    [
        ("training.batch=published", lambda study: study.training.batch == "published"),
        ("training.batch=16", lambda study: study.training.batch == 16),
        ("references=false", lambda study: study.references is False),
        ("options.lora.r=4", lambda study: study.options == {"lora": {"r": 4}}),
        ("methods=['fft', 'lora']", lambda study: study.methods == ["fft", "lora"]),
        ("name = with spaces ", lambda study: study.name == "with spaces"),
    ],
)
def test_settings_take_toml_values_or_bare_words(setting, read):
    assert read(read_study(None, {}, [setting]))


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("seeds = 2\nseed = 3", "line 2", ["unknown key 'seed'", "did you mean 'seeds'?"]),
        ("[training]\nepochs = 2\nbatchsize = 3", "line 3", ["unknown key 'training.batchsize'", "'training.batch'"]),
        ("seeds = 0", "line 1", ["'seeds'", "greater than or equal to 1", "got 0"]),
        ("\n[training]\nprecision = 'fp8'", "line 3", ["'training.precision'", "'fp32'", "got 'fp8'"]),
        ("[epochs]\nlora = 0", "line 2", ["'epochs.lora'", "greater than or equal to 1", "got 0"]),
        ("seeds = 2\nmethods = = 3", "line 2", ["not valid TOML", "mend"]),
        ("[training]\nbatch = 'some'", "line 2", ["'training.batch'", "valid integer", "'published'", "got 'some'"]),
        ("seeds = 2\nmethods = ['fft',\n3]", "line 2", ["'methods.1'", "valid string", "got 3"]),
    ],
)
def test_a_mistake_in_a_file_is_named_with_file_line_and_key(study_file, text, line, words):
    source = study_file(text)
    with pytest.raises(BenchError) as caught:
        read_study(source, {}, [])
    message = str(caught.value)
    assert "\n" not in message
    for word in (source, line, *words):
        assert word in message


def test_files_that_cannot_be_read_are_named(tmp_path: Path):
    (tmp_path / "latin.toml").write_bytes('name = "caf\xe9"'.encode("latin-1"))
    with pytest.raises(BenchError, match=r"latin\.toml, line 1: not UTF-8"):
        read_study(str(tmp_path / "latin.toml"), {}, [])
    with pytest.raises(BenchError, match=r"none\.toml: there is no such file"):
        read_study(str(tmp_path / "none.toml"), {}, [])
    with pytest.raises(BenchError, match="a folder, where a file is needed"):
        read_study(str(tmp_path), {}, [])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["training.epoch=3"], ["--set training.epoch", "did you mean 'training.epochs'?"]),
        (["colour=red"], ["--set colour", "unknown key 'colour'", "choose from"]),
        (["training.batch"], ["--set training.batch", "key=value"]),
        (["seeds.more=3"], ["--set seeds.more", "'seeds' holds no further keys"]),
        (["training.dropout=2"], ["--set training.dropout", "less than 1", "got 2"]),
        (["a.b.c=1"], ["--set a.b.c", "unknown key 'a'"]),
        (["options.lora=4"], ["--set options.lora", "valid dictionary", "got 4"]),
        (["seeds=1\nrepeats=9"], ["--set seeds", "one line", "its own --set"]),
        (["=1"], ["--set =1", "key=value"]),
        (["training..batch=1"], ["--set training..batch", "key=value"]),
        (["seeds=true"], ["--set seeds", "valid integer", "got True"]),
        (["seeds=1000000000"], ["--set seeds", "less than or equal to 1000"]),
        (["timeout=inf"], ["--set timeout", "'timeout'", "finite"]),
        (["training.learning_rate_scale=nan"], ["--set training.learning_rate_scale", "finite"]),
        (
            ["training.batch=-5"],
            ["--set training.batch", "equal to 1 or input should be 'published'"],
        ),
        (["training.epochs=" + "9" * 5000], ["--set training.epochs", "valid integer"]),
        (["training.epochs=0x" + "f" * 5000], ["--set training.epochs", "an integer of 20000 bits"]),
        (["seeds=" + "[" * 50_000], ["--set seeds", "valid integer"]),
        (["name=../../x"], ["--set name", "it names a folder", "no separators"]),
        (["name="], ["--set name", "not empty"]),
        (['name="a\\u0000b"'], ["--set name", "control characters"]),
        (["name=" + "n" * 101], ["--set name", "at most 100 bytes"]),
        (["text_backbone=" + "n" * 5000], ["--set text_backbone", "at most 4096 characters"]),
        (["seeds=1000", "repeats=1000"], ["cells", "at most 100000"]),
    ],
)
def test_a_mistake_in_a_setting_is_named_with_the_setting(settings, words):
    with pytest.raises(BenchError) as caught:
        read_study(None, {"seeds": 2}, settings)
    for word in words:
        assert word in str(caught.value)


def test_a_mistake_in_a_flag_is_not_blamed_on_the_shipped_demo():
    with pytest.raises(BenchError) as caught:
        read_study(None, {"seeds": 0}, [])
    assert "demo.toml" not in str(caught.value)
    assert "--seeds" in str(caught.value)


def test_an_unknown_shipped_study_gets_a_suggestion():
    with pytest.raises(BenchError, match=r"unknown study 'dmo': did you mean 'demo'\?"):
        read_study("dmo", {}, [])


@pytest.mark.parametrize("methods", ["", ",", []])
def test_a_study_of_no_method_is_refused(methods):
    with pytest.raises(BenchError, match=r"--methods: 'methods': list should have at least 1 item"):
        read_study(None, {"methods": methods}, [])


def test_an_option_under_a_key_that_the_file_has_does_not_take_the_files_blame(study_file):
    source = study_file("seeds = 2\n[options]\nlora = 3")
    with pytest.raises(BenchError, match=r"--set options\.lora\.r: 'lora' holds no further keys"):
        read_study(source, {}, ["options.lora.r=4"])
    source = study_file("[training]\nepochs = 2\nbatchsize = 3")
    with pytest.raises(BenchError, match=r"mine\.toml, line 3: unknown key 'training\.batchsize'"):
        read_study(source, {}, ["training.epochs=4"])


def test_messages_are_one_short_line_whatever_the_value(study_file):
    for value in ("n" * 100_000, "a\nb\x1b[31m\0", ["x" * 1000] * 1000, {"n" * 1000: ["y" * 1000] * 9}, 10**4000):
        with pytest.raises(BenchError) as caught:
            read_study(study_file(as_toml({"seeds": value})), {}, [])
        assert len(str(caught.value)) < 1000
        assert str(caught.value).isprintable()
    for key in ("n" * 5000, "a\nb"):
        with pytest.raises(BenchError) as caught:
            read_study(study_file(as_toml({key: 1})), {}, [])
        assert len(str(caught.value)) < 1000
        assert str(caught.value).isprintable()


VALID = {
    "name": "mine",
    "methods": ["fft", "lora"],
    "datasets": ["bazaar"],
    "epochs": {"fft": 2},
    "options": {"lora": {"r": 4}},
    "training": {"epochs": 3},
}


def assert_read_or_refused(read: Callable[[], Study]) -> None:
    """A study that is the same written and read again, or a BenchError, within bounds; else AssertionError."""
    with bounded():
        study = read()
        assert Study.model_validate(study.model_dump()) == study
        assert Study.model_validate_json(study.model_dump_json()) == study


@given(mutated(Study, VALID))
def test_a_study_file_is_read_or_refused_whatever_its_keys_hold(tmp_path_factory, values):
    path = tmp_path_factory.getbasetemp() / "mutated.toml"
    path.write_bytes(as_toml(values).encode("utf-8", "surrogatepass"))
    assert_read_or_refused(lambda: read_study(str(path), {}, []))


@given(st.sampled_from([*keys(Study), ("unheard", "of")]), strange() | st.text())
def test_a_setting_is_read_or_refused_whatever_it_holds(key, value):
    for text in (str(value), toml_value(value)):
        assert_read_or_refused(lambda text=text: read_study(None, VALID, [f"{'.'.join(key)}={text}"]))


@given(st.binary() | st.text().map(str.encode), st.integers(0, 200), st.integers(0, 200))
def test_a_study_file_is_read_or_refused_whatever_bytes_it_holds(tmp_path_factory, piece, start, length):
    whole = as_toml(VALID).encode()
    path = tmp_path_factory.getbasetemp() / "bytes.toml"
    path.write_bytes(whole[:start] + piece + whole[start + length :])
    assert_read_or_refused(lambda: read_study(str(path), {}, []))


@pytest.mark.parametrize("name", sorted(path.stem for path in STUDIES.glob("*.toml")))
def test_a_shipped_study_written_and_read_again_is_the_same(name: str, study_file):
    study = read_study(name, {}, [])
    assert read_study(study_file(as_toml(study.model_dump())), {}, []) == study


def test_a_study_of_version_1_says_the_same_as_before(tmp_path: Path):
    """Head and evaluation stood under `training`; a mistake in one is told where it was made."""
    old, new = tmp_path / "old.toml", tmp_path / "new.toml"
    old.write_text('name = "one"\n[training]\nwidth = 32\nbatch = 8\nrepeat_targets = "rank"\n')
    new.write_text('name = "one"\n[training]\nbatch = 8\n[head]\nwidth = 32\n[evaluation]\nrepeat_targets = "rank"\n')
    assert read_study(str(old), {}, []) == read_study(str(new), {}, [])
    study = read_study(str(new), {}, ["training.width=16", "head.dropout=0.0"])
    assert (study.head.width, study.head.dropout) == (16, 0.0)
    old.write_text("[training]\nbatch = 8\nwidth = 'wide'\n")
    with pytest.raises(BenchError, match=r"old\.toml, line 3: 'head\.width'"):
        read_study(str(old), {}, [])
    old.write_text("[training]\nwidth = 8\n[head]\nwidth = 16\n")
    with pytest.raises(BenchError, match=r"'training\.width'.*did you mean|unknown key 'training\.width'"):
        read_study(str(old), {}, [])
