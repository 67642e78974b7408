"""A study printed with what its keys mean is read back as the same study."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from tpmebench.bench.study import shipped
from tpmebench.bench.study.commented import commented
from tpmebench.bench.study.schema import Study, Towers
from tpmebench.bench.study.study import read_study
from tpmebench.cell import SECTIONS
from tpmebench.datasets.sources.description import Description, InteractionColumns, ItemColumns, Pictures

SCHEMAS = [Study, Towers, *SECTIONS.values(), Description, InteractionColumns, ItemColumns, Pictures]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_every_key_says_what_it_means(schema: type[BaseModel]):
    assert not [key for key, field in schema.model_fields.items() if not (field.description or "").endswith(".")]


@pytest.mark.parametrize("name", shipped.names())
def test_a_study_that_ships_reads_back_as_itself(name: str, tmp_path: Path):
    study = read_study(name, {}, [])
    file = tmp_path / "other-name.toml"
    file.write_text(commented(study, shipped.head(shipped.STUDIES / f"{name}.toml")), "utf-8")
    again = read_study(str(file), {}, [])
    assert again == study
    assert again.model_fields_set - {*SECTIONS} == study.model_fields_set - {*SECTIONS}


def test_all_tables_read_back_and_what_was_not_given_stays_a_default(tmp_path: Path):
    settings = ["rates.lora.towers=4e-4", "options.lora.r=16", 'sweep."*"={"lr"=[1e-3,2e-3]}', "epochs.fft=3"]
    study = read_study("demo", {"backbones": None, "methods": "fft,lora:r=4"}, [*settings[:2], settings[3]])
    study = study.model_copy(update={"sweep": {"*": {"learning_rate_scale": [1, 3.0]}}})
    file = tmp_path / "demo.toml"
    file.write_text(commented(study), "utf-8")
    again = read_study(str(file), {}, [])
    assert again == study
    assert "missing_images" not in again.model_fields_set, "that most pictures may be missing was not said"


@given(st.text(max_size=30), st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=3))
def test_whatever_a_text_holds_reads_back_and_commands_no_terminal(note: str, options: dict[str, int | str]):
    study = Study(name="x", note=note.encode("utf-8", "replace").decode(), options={"lora": options, note: options})
    written = commented(study, note)
    assert all(sign.isprintable() or sign == "\n" for sign in written)
    values = tomllib.loads(written)
    assert Study.model_validate(values | {"name": "x"}) == study


def test_the_head_of_every_study_that_ships_says_what_it_asks():
    for each in shipped.shipped():
        assert each.question.endswith(("?", ".")) and len(each.question) < 250, each
