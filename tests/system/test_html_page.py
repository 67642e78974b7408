"""The HTML report in a real browser: weights, sorting, filtering, keyboard, phone width, and no request at all."""

import json
import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hostile import BODY, STARTS, hostile

from tpmebench.reports.analysis.tpme import COSTS, CostWeights, tpme
from tpmebench.reports.records import Record
from tpmebench.reports.report import ReportOptions, write_report

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
needs_browser = pytest.mark.skipif(
    not (BROWSER and DRIVER and find_spec("selenium")) and not os.environ.get("CI"),
    reason="chromium, chromium-driver and selenium are not all installed",
)
pytestmark = [needs_browser, pytest.mark.timeout(120)]
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--window-size=1280,1000",
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER or ""
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, make_record: Any, write_study: Any) -> Path:
    """A report over two comparisons, with failures and names that would break a careless page."""
    directory = tmp_path_factory.mktemp("study")
    methods = ("fft", "lora", "frozen", "iisan", "iisan-cached", "sasrec-id", "popularity")
    records = [make_record(method, seed=seed) for method in methods for seed in range(2)]
    records.append(make_record("lora", status="oom", options={"note": "</script><b>&'\""}))
    records += [make_record(method, modalities="text") for method in methods[:4]]
    write_study(directory, records)
    write_report([directory], ReportOptions(formats=("html",)))
    return directory / "report.html"


@pytest.fixture
def page(browser: Any, report: Path) -> Any:
    browser.set_window_size(1280, 1000)
    browser.get(report.as_uri())
    return browser


def column(page: Any, key: str, table: str = "main-table-0") -> dict[str, str]:
    """The values of a column of a table by row, in the order of the page, hidden rows left out."""
    script = """return [...document.querySelectorAll(`#${arguments[0]} tbody tr`)].filter(row => !row.hidden)
        .map(row => [row.dataset.row, row.querySelector(`[data-key='${arguments[1]}']`).dataset.value])"""
    return dict(page.execute_script(script, table, key))


def slide(page: Any, cost: str, value: float) -> None:
    page.execute_script(
        "const e = document.getElementById(`weight-${arguments[0]}`); e.value = arguments[1];"
        "e.dispatchEvent(new Event('input', {bubbles: true}))",
        cost,
        value,
    )


def costs(page: Any) -> pd.DataFrame:
    data = json.loads(page.execute_script("return document.getElementById('data').textContent"))
    ranked = [method for method in data["comparisons"][0]["methods"] if method["ranked"]]
    return pd.DataFrame(ranked).set_index("label")[list(COSTS)]


def test_sliders_compute_what_python_computes(page: Any) -> None:
    table = costs(page)
    for sliders in ((0.45, 0.10, 0.45), (1, 0, 0), (0.2, 0.9, 0.37), (0, 0.01, 1)):
        for cost, value in zip(COSTS, sliders, strict=True):
            slide(page, cost, value)
        total = sum(sliders)
        expected = tpme(table, CostWeights(*(value / total for value in sliders)))["tpme"]
        shown = {label: float(value) for label, value in column(page, "tpme").items() if value}
        assert set(shown) == set(expected.index)
        assert max(abs(shown[label] - expected[label]) for label in shown) < 1e-9
        assert list(shown.values()) == sorted(shown.values())


def test_all_weights_at_zero_keep_the_last_ones(page: Any) -> None:
    for cost in COSTS:
        slide(page, cost, 0)
    assert "above 0" in page.find_element("id", "weights-state").text
    assert "NaN" not in page.find_element("id", "main-table-0").text


def test_presets_and_back(page: Any) -> None:
    before = column(page, "tpme")
    page.find_element("css selector", "[data-preset='storage-bound']").click()
    assert page.find_element("id", "shown-parameters").text == "0.600"
    assert column(page, "tpme") != before
    page.find_element("id", "given").click()
    assert column(page, "tpme") == before


def test_sorting(page: Any) -> None:
    head = page.find_element("css selector", "#main-table-0 th[data-key='time']")
    for direction in ("ascending", "descending"):
        head.find_element("tag name", "button").click()
        assert head.get_attribute("aria-sort") == direction
        values = [float(value) for value in column(page, "time").values() if value]
        assert values == sorted(values, reverse=direction == "descending")
        assert list(column(page, "time").values())[len(values) :] == [""] * (len(column(page, "time")) - len(values))


def test_filtering(page: Any) -> None:
    field = page.find_element("id", "filter-main-table-0")
    field.send_keys("iisan ok")
    assert set(column(page, "status")) == {"iisan", "iisan-cached"}
    assert "2 of" in page.find_element("css selector", "#filter-main-table-0 + span").text
    field.clear()
    field.send_keys("x")
    field.send_keys("\b")
    assert len(column(page, "status")) == 8


def test_plot_follows_axes_and_keyboard(page: Any) -> None:
    plot = page.find_element("css selector", ".plot[data-comparison='0']")
    assert len(plot.find_elements("css selector", "g[data-place]")) == 5
    page.find_element("css selector", "select[data-axis='x'][data-comparison='0']").send_keys("M, memory")
    assert "MiB" in plot.text
    assert len(plot.find_elements("css selector", "g[data-place]")) == 6
    point = plot.find_element("css selector", "g[aria-label^='fft']")
    page.execute_script("arguments[0].focus()", point)
    assert "HR@10" in plot.find_element("class name", "tip").text


@pytest.mark.parametrize("width", [1280, 390])
def test_labels_of_the_plot_do_not_overlap(page: Any, width: int) -> None:
    page.set_window_size(max(width, 500), 900)
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    )
    try:
        page.refresh()
        script = """return [...document.querySelectorAll('.plot[data-comparison="0"] text.label')]
            .map(text => { const b = text.getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom] })"""
        boxes = page.execute_script(script)
        assert len(boxes) == 5
        for number, one in enumerate(boxes):
            for other in boxes[number + 1 :]:
                apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
                assert apart, (one, other)
        inner = page.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
        assert inner[0] <= inner[1] == width
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_names_and_landmarks_for_screen_readers(page: Any) -> None:
    script = """return [...document.querySelectorAll('input, select, button, img, th')].filter(e =>
        !(e.labels && e.labels.length) && !e.textContent.trim() && !e.alt && !e.ariaLabel).map(e => e.outerHTML)"""
    assert page.execute_script(script) == []
    identifiers = page.execute_script("return [...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(identifiers) == len(set(identifiers))
    assert page.execute_script("return document.documentElement.lang") == "en"
    for landmark in ("header", "nav", "main", "h1"):
        assert len(page.find_elements("tag name", landmark)) == 1


def test_dark_and_light(page: Any) -> None:
    def paper() -> str:
        return page.execute_script("return getComputedStyle(document.body).backgroundColor")

    first = paper()
    page.find_element("class name", "theme").click()
    assert paper() != first


def test_records_are_linked_and_nothing_is_requested(page: Any, report: Path) -> None:
    links = page.execute_script("return [...document.querySelectorAll('td a')].map(a => a.getAttribute('href'))")
    assert len(links) > 10
    assert all(Record.model_validate_json((report.parent / link).read_text()) for link in links)
    page.get_log("browser")
    page.get_log("performance")
    page.refresh()
    page.find_element("id", "weights-state")
    assert page.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    assert [url for url in asked if not url.startswith("data:")] == [report.as_uri()]
    assert report.stat().st_size < 3_000_000


def test_a_careless_name_does_no_harm(page: Any) -> None:
    assert any("</script>" in label for label in column(page, "status"))


def test_printing_hides_the_controls(page: Any) -> None:
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert not page.find_element("class name", "filter").is_displayed()
        assert page.find_element("id", "main-table-0").is_displayed()
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


@pytest.fixture
def hostile_page(browser: Any, tmp_path: Path, make_record: Any) -> Any:
    """A report over records whose every string a browser could take for more than text, in a folder of such a name."""
    directory = tmp_path / "javascript:broken#?<b>%22"
    sound = [make_record(method) for method in ("fft", "iisan-cached", "popularity")]
    for number, record in enumerate(sound):
        changed = hostile(record, first=number)
        changed.cell, changed.family = sound[0].cell.model_copy(), record.family
        changed.cell.method = f"{STARTS[-number - 1]}{record.cell.method} {BODY}"
        changed.environment = sound[0].environment
        changed.save(directory)
    write_report([directory], ReportOptions(formats=("html",)))
    browser.set_window_size(1280, 1000)
    for log in ("browser", "performance"):
        browser.get_log(log)
    browser.get((directory / "report.html").as_uri())
    return browser


def test_text_of_any_kind_stays_text(hostile_page: Any) -> None:
    for cost in COSTS:
        slide(hostile_page, cost, 0.7)
    for element in hostile_page.find_elements("css selector", "th button, g[data-place], summary, select, input"):
        hostile_page.execute_script(
            "arguments[0].focus(); arguments[0].dispatchEvent(new Event('pointerenter'))", element
        )
    for button in hostile_page.find_elements("css selector", "button"):
        hostile_page.execute_script("arguments[0].click()", button)
    assert hostile_page.execute_script("return window.broken === undefined && document.scripts.length === 2")
    assert (
        hostile_page.execute_script("return document.querySelectorAll('img:not([src^=\"data:\"]), iframe, b').length")
        == 0
    )
    shown = hostile_page.execute_script("return document.body.textContent")
    assert "<script>window.broken=2</script>" in shown
    names = column(hostile_page, "tpme")
    assert len(names) == 3 and sum(bool(value) for value in names.values()) == 2
    events = [json.loads(entry["message"])["message"] for entry in hostile_page.get_log("performance")]
    asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    assert [url for url in asked if not url.startswith("data:")] == [hostile_page.current_url]
    assert hostile_page.get_log("browser") == []


def test_a_link_leads_to_its_record_whatever_the_folder_is_called(hostile_page: Any) -> None:
    hrefs = hostile_page.execute_script("return [...document.querySelectorAll('td a')].map(a => a.href)")
    assert len(hrefs) == 3
    for href in hrefs:
        hostile_page.get(href)
        assert Record.model_validate_json(hostile_page.find_element("tag name", "body").text)
