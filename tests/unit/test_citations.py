"""Whom to cite: every method has its papers or none said, the entries are BibTeX, and the command prints them."""

import re
import sys
from pathlib import Path

import pytest
import yaml

from tpmebench import __version__
from tpmebench.bench import cli
from tpmebench.bench.commands.citations import ENTRIES, METHODS, PEFT, cite, entries
from tpmebench.methods.embedded.peft.method import PeftMethod
from tpmebench.methods.registry import methods

OURS = {name: method for name, method in methods().items() if method.__module__.startswith("tpmebench.")}
KNOWN = entries(ENTRIES.read_text(encoding="utf-8"))
FIELD = re.compile(r"\s*([a-z]+)\s*=\s*\{")
ROOT = Path(__file__).parents[2]


def fields(entry: str) -> dict[str, str]:
    """The fields of one entry: `name = {value},` with braces in pairs. ValueError for what is no BibTeX."""
    head = re.match(r"@(?:misc|article|inproceedings)\{[A-Za-z0-9:_-]+,", entry)
    if head is None or not entry.endswith("}"):
        raise ValueError(entry)
    rest, found = entry[head.end() : -1], dict[str, str]()
    while rest.strip():
        begun = FIELD.match(rest)
        if begun is None or begun[1] in found:
            raise ValueError(rest)
        depth, end = 1, begun.end()
        while depth:  # IndexError where a brace is never closed
            depth += (rest[end] == "{") - (rest[end] == "}")
            end += 1
        found[begun[1]] = rest[begun.end() : end - 1]
        rest = rest[end:].lstrip(",")
    return found


def test_the_check_itself_finds_what_is_no_bibtex() -> None:
    for broken in (
        "@misc{a, title = {b}",
        "@misc{a, title = {{b}}",
        "@misc{a,\n title = {b},\n title = {c}}",
        "@x{a,}",
    ):
        with pytest.raises((ValueError, IndexError)):
            fields(broken)


@pytest.mark.parametrize("key", KNOWN)
def test_an_entry_is_whole(key: str) -> None:
    found = fields(KNOWN[key])
    assert {"title", "author", "year"} <= set(found)
    assert {"journal", "booktitle", "howpublished", "note"} & set(found)
    assert re.fullmatch(r"20[0-9]{2}", found["year"])
    assert KNOWN[key].isascii()
    assert "." not in found["author"].replace(". ", "").removesuffix("."), "initials are apart"
    assert all(", " in author or author.startswith("{") for author in found["author"].split(" and "))
    if eprint := found.get("eprint"):
        month = re.fullmatch(r"(\d\d)(0[1-9]|1[0-2])\.\d{4,5}", eprint)
        assert month and -1 <= int(found["year"]) - 2000 - int(month[1]) <= 2
        assert found["archiveprefix"] == "arXiv"


def test_every_entry_of_the_file_is_found() -> None:
    assert len(KNOWN) == ENTRIES.read_text(encoding="utf-8").count("\n@")


@pytest.mark.parametrize("name", OURS)
def test_every_method_says_what_it_comes_from(name: str) -> None:
    """By its docstring's authors, too: `(Hu et al., 2021)` is an entry whose first author is a Hu."""
    method = OURS[name]
    keys = METHODS[method.uncached or name]
    assert set(keys) <= set(KNOWN)
    assert issubclass(method, PeftMethod) == (PEFT in keys)
    said = re.search(
        r"\((?:[^()]*\bof |[^()]*, |[^()]*; )?((?:[A-Z][\w-]+ ?)+?)(?: et al\.| and \w+), (20\d\d)\)", method.summary
    )
    if said:
        authors = [KNOWN[key].split("author = {")[1] for key in keys]
        assert any(each.startswith(_plain(said[1])) for each in authors), said


def _plain(name: str) -> str:
    return name.translate({ord("ü"): '{"u}', ord("é"): "{'e}"})


def test_no_method_is_cited_that_there_is_not() -> None:
    assert set(METHODS) <= set(OURS)
    cited = {key for keys in METHODS.values() for key in keys}
    assert set(KNOWN) - cited == {"tpmebench", "belanec2025peftbench"}


def test_a_report_is_cited_with_its_methods(tmp_path, make_record, write_study, monkeypatch, capsys) -> None:
    write_study(tmp_path, [make_record(name) for name in ("fft", "lora", "iisan-cached", "popularity")])
    monkeypatch.setattr(sys, "argv", ["bench", "cite", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code in (0, None)
    printed = capsys.readouterr().out
    found = entries(printed)
    assert list(found) == ["tpmebench", "fu2024iisan", "kang2018sasrec", "belanec2025peftbench", "hu2022lora", "peft"]
    for entry in found.values():
        assert fields(entry)
    assert f"Version {__version__}" in found["tpmebench"]
    assert "% TPME, iisan-cached\n@inproceedings{fu2024iisan," in printed
    assert "% fft: nothing to cite" in printed
    left = re.sub(r"^@.*?^\}", "", printed, flags=re.DOTALL | re.MULTILINE)
    assert all(line.startswith("% ") for line in left.splitlines() if line)


def test_the_suite_alone_is_cited_with_the_paper_of_its_score() -> None:
    assert list(cite(None).entries) == ["tpmebench", "fu2024iisan"]


def test_code_from_outside_cites_itself_where_a_package_offers_it(monkeypatch) -> None:
    """And is not imported because a record names it."""
    doc = "Mine.\n\n@misc{me,\n  title = {Mine},\n  author = {Me, I},\n  year = {2026},\n}\n"
    mine = type("Mine", (OURS["bitfit"],), {"__doc__": doc, "__module__": "of_mine"})
    everything = {**methods(), "of-mine": mine}
    monkeypatch.setattr("tpmebench.methods.registry.methods", lambda: everything)
    found = cite(["of-mine", "evil_module:Class", "./evil.py:Class"])
    assert fields(found.entries["me"])["title"] == "Mine"
    assert [remark.split(":")[0] for remark in found.remarks] == ["evil_module", "./evil.py"]
    assert "evil_module" not in sys.modules


def test_the_file_for_citation_says_the_same() -> None:
    said = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    suite, paper = fields(KNOWN["tpmebench"]), fields(KNOWN["fu2024iisan"])
    assert said["version"] == __version__
    assert said["title"] == suite["title"].replace("{", "").replace("}", "")
    assert said["authors"] == [{"name": suite["author"].strip("{}")}]
    (reference,) = said["references"]
    assert reference["title"] == paper["title"].replace("{", "").replace("}", "")
    authors = [f"{one['family-names']}, {one['given-names']}" for one in reference["authors"]]
    assert " and ".join(authors) == paper["author"]
    assert f"{reference['start']}--{reference['end']}" == paper["pages"]
    assert reference["collection-title"] == paper["booktitle"]
