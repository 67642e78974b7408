"""`docs/methods.md` has a row for every method there is, and what its rows say is what is found."""

from collections.abc import Iterator

import method_page
import pytest
from cells import EVERY_PAIR

from tpmebench.methods.embedded.peft.refusals import REFUSED
from tpmebench.outside import is_outside

TEXT = method_page.PAGE.read_text("utf-8")
OURS = [name for name in method_page.METHODS if not is_outside(name)]  # other tests bring methods of theirs
SAMPLE = OURS if EVERY_PAIR else ["lora", "iisan-cached", "vblora", "pissa"]


@pytest.fixture(autouse=True, scope="module")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TPMEBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.mark.parametrize("table", ["towers", "capabilities"])
def test_the_page_has_a_row_for_every_method(table: str) -> None:
    assert list(method_page.rows(TEXT, table)) == OURS, "python tests/method_page.py"


def test_the_page_names_all_that_is_refused_with_its_reason() -> None:
    assert all(f"- `{name}`: {why}\n" in TEXT for name, why in REFUSED.items()), "python tests/method_page.py"


@pytest.mark.parametrize("name", SAMPLE)
def test_a_row_is_what_is_found(name: str) -> None:
    assert method_page.rows(TEXT, "towers")[name] == method_page.on_towers(name)
    assert method_page.rows(TEXT, "capabilities")[name] == method_page.capabilities(name)
