"""Pages: every link leads somewhere, to a heading that is there; blocks of TOML and Python are what they seem to be;
what is generated is what the code says.
"""

import ast
import re
import textwrap
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import api_page
import pytest
import reference_page

from tpmebench.bench.running import trackers
from tpmebench.bench.study.schema import Study
from tpmebench.bench.tasks import registry as tasks
from tpmebench.cell import upgrade
from tpmebench.datasets.sources import registry as sources
from tpmebench.datasets.sources.description import Description
from tpmebench.methods import registry as methods

ROOT = Path(__file__).parents[2]
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS, *(ROOT / "reports" / "published").glob("*.md")]
_FENCED = re.compile(r"^( *)```(\w*)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
_LINKS = (re.compile(r"\]\(([^)\s]+)\)"), re.compile(r"(?:src|srcset|href)=\"([^\"]+)\""))


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return _FENCED.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """Of a page's headings, as GitHub and the site make them."""
    titles = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def blocks(language: str) -> list[Any]:
    """Every block of a language, with its page's name and its number there."""
    found = []
    for page in PAGES:
        own = [each[2] for each in _FENCED.findall(page.read_text(encoding="utf-8")) if each[1] == language]
        found += [pytest.param(block, id=f"{name_of(page)}-{number}") for number, block in enumerate(own, 1)]
    return found


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(page: Path):
    broken = []
    for link in (each for pattern in _LINKS for each in pattern.findall(prose(page))):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            broken.append(link)
        elif page in DOCS and not target.is_relative_to(ROOT / "docs"):
            broken.append(f"{link}: outside docs/, where the site has nothing")
    assert not broken


@pytest.mark.parametrize("block", blocks("toml"))
def test_a_block_of_toml_is_a_study_a_description_of_data_or_an_entry_point(block: str):
    values = tomllib.loads(block)
    if "interactions" in values:
        Description.model_validate(values)
    elif "project" in values:
        assert values["project"]["entry-points"].keys() <= {
            each.ENTRY_POINTS for each in (methods, sources, tasks, trackers)
        }
    else:
        Study.model_validate(upgrade(values))


@pytest.mark.parametrize("block", blocks("python"))
def test_a_block_of_python_imports_what_is_there(block: str):
    for each in ast.walk(ast.parse(textwrap.dedent(block))):
        if isinstance(each, ast.ImportFrom) and (each.module or "").startswith("tpmebench"):
            module = import_module(each.module or "")
            assert not [name.name for name in each.names if not hasattr(module, name.name)]


def test_the_site_has_every_page():
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    listed = re.findall(r"- ([\w-]+\.md)", nav)
    assert len(listed) == len(set(listed)) and {page.name for page in DOCS} <= set(listed)


def test_every_key_of_the_schemas_has_its_row():
    text = reference_page.PAGE.read_text(encoding="utf-8")
    assert reference_page.page(text) == text, "python tests/reference_page.py"


def test_the_api_is_what_the_code_says():
    assert api_page.PAGE.read_text(encoding="utf-8") == api_page.page(), "python tests/api_page.py"


def test_a_heading_that_is_not_there_is_found(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text("# One, two\n\n```sh\n# no heading\n```\n\n## `three` & four\n")
    assert anchors(page) == {"one-two", "three--four"}
