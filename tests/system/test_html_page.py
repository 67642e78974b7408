"""The HTML report in a real browser: budget, weights, address, sorting, phone, print, dark; and no request at all."""

import base64
import io
import json
import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hostile import BODY, STARTS, hostile
from PIL import Image

from tpmebench.methods import registry
from tpmebench.reports.analysis.budget import Budget, best, weighed_costs, within
from tpmebench.reports.analysis.tpme import COSTS, CostWeights, tpme
from tpmebench.reports.figures.looks import look
from tpmebench.reports.records import Record
from tpmebench.reports.report import ReportOptions, write_report

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
needs_browser = pytest.mark.skipif(
    not (BROWSER and DRIVER and find_spec("selenium")) and not os.environ.get("CI"),
    reason="chromium, chromium-driver and selenium are not all installed",
)
pytestmark = [needs_browser, pytest.mark.timeout(120, func_only=True)]
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--window-size=1400,1000",
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
    records += [make_record(method, modalities="text") for method in methods[:2]]
    write_study(directory, records)
    write_report([directory], ReportOptions(formats=("html",)))
    return directory / "report.html"


@pytest.fixture
def page(browser: Any, report: Path) -> Any:
    browser.set_window_size(1400, 1000)
    browser.get(report.as_uri())
    return browser


def column(page: Any, key: str, table: str = "main-table-0") -> dict[str, str]:
    """The values of a column of a table by row, in the order of the page, hidden rows left out."""
    script = """return [...document.querySelectorAll(`#${arguments[0]} tbody tr`)].filter(row => !row.hidden)
        .map(row => [row.dataset.row, row.querySelector(`[data-key='${arguments[1]}']`).dataset.value])"""
    return dict(page.execute_script(script, table, key))


def scores(page: Any) -> dict[str, float]:
    """TPME by row, whoever wrote it: Python's 1.0 is the script's 1."""
    return {label: float(value) for label, value in column(page, "tpme").items() if value}


def screen(page: Any, width: int) -> None:
    """The page on a screen of that many pixels."""
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500},
    )


def slide(page: Any, cost: str, value: float) -> None:
    page.execute_script(
        "const e = document.getElementById(`weight-${arguments[0]}-0`); e.value = arguments[1];"
        "e.dispatchEvent(new Event('input', {bubbles: true}))",
        cost,
        value,
    )


def candidates(page: Any) -> pd.DataFrame:
    """What the page computes with, of the first comparison's ranked methods."""
    data = json.loads(page.execute_script("return document.getElementById('data').textContent"))
    ranked = [method for method in data["comparisons"][0]["methods"] if method["ranked"]]
    return pd.DataFrame(ranked).set_index("label")[[*COSTS, "total", "loss", "gain"]].astype(float)


def bound(page: Any, name: str, value: str) -> None:
    """Types into a field of the budget."""
    page.execute_script(
        "const e = document.getElementById(`bound-${arguments[0]}-0`); e.value = arguments[1];"
        "e.dispatchEvent(new Event('input', {bubbles: true}))",
        name,
        value,
    )


def marked(page: Any) -> tuple[list[str], list[str], list[str], list[str]]:
    """Rows that the table and points that the plot mark as beyond the budget, and as the best."""
    rows, points = (
        """return ['out', 'pick'].map(mark => [...document.querySelectorAll(`#main-table-0 tr.${mark}`)]
        .map(row => row.dataset.row))""",
        """return ['out', 'pick'].map(mark => [...document.querySelectorAll(`.plot[data-comparison='0'] g.${mark}`)]
        .map(point => point.getAttribute('aria-label').split(', ')[0]))""",
    )
    return tuple(sorted(found) for script in (rows, points) for found in page.execute_script(script))  # type: ignore


def test_sliders_compute_what_python_computes(page: Any) -> None:
    table = candidates(page)
    for sliders in ((0.45, 0.10, 0.45), (1, 0, 0), (0.2, 0.9, 0.37), (0, 0.01, 1)):
        for cost, value in zip(COSTS, sliders, strict=True):
            slide(page, cost, value)
        total = sum(sliders)
        expected = tpme(table, CostWeights(*(value / total for value in sliders)))["tpme"]
        shown = scores(page)
        assert set(shown) == set(expected.index)
        assert max(abs(shown[label] - expected[label]) for label in shown) < 1e-9
        assert list(shown.values()) == sorted(shown.values())


def test_the_budget_leaves_what_python_leaves(page: Any) -> None:
    """Over budgets and weights drawn at random: what is left, which is best, and the cost ratio behind it."""
    table, draw = candidates(page), random.Random(0)
    asked = []
    for _ in range(300):
        limits = {
            name: draw.choice([*table[name], table[name].mean(), 0.0]) if draw.random() < 0.4 else None
            for name in ("memory", "time", "total", "loss")
        }
        drawn = [draw.choice([0.0, draw.random()]) for _ in COSTS]
        shares = [value / (sum(drawn) or 1) for value in drawn] if sum(drawn) else [0.45, 0.1, 0.45]
        asked.append((limits, dict(zip(COSTS, shares, strict=True))))
    script = """const methods = data.comparisons[0].methods;
        return arguments[0].map(([budget, weights]) => [within(methods, budget).map(method => method.label),
            bestWithin(methods, budget, weights)?.label ?? null,
            methods.filter(method => method.ranked).map(method => weighedCost(method, weights))])"""
    chosen = set()
    for (limits, weights), (left, picked, ratios) in zip(asked, page.execute_script(script, asked), strict=True):
        budget, of_costs = Budget(**limits), CostWeights(**weights)
        assert left == list(within(table, budget).index)
        assert picked == best(table, budget, of_costs)
        assert max(abs(weighed_costs(table, of_costs) - ratios)) < 1e-9
        chosen.add(picked)
    assert len(chosen) > 3 and None in chosen


def test_a_budget_marks_table_and_plot_at_once(page: Any) -> None:
    table = candidates(page)
    assert marked(page) == ([], [], [], [])
    limit = table["memory"].sort_values().iloc[2]
    unit = page.execute_script("return data.comparisons[0].units.memory[1]")
    bound(page, "memory", str(limit / unit))
    budget = Budget(memory=limit)
    out = sorted(set(table.index) - set(within(table, budget).index))
    assert len(out) == len(table) - 3
    pick = [best(table, budget, CostWeights())]
    assert marked(page) == (out, pick, out, pick)
    said = page.find_element("class name", "budget-state").text
    assert f"3 of {len(table)} methods are left" in said and f"Most accurate: ★ {pick[0]}" in said
    bound(page, "loss", "1000")
    assert "Cheapest: ★" in page.find_element("class name", "budget-state").text
    bound(page, "memory", "0.0001")
    assert "None of" in page.find_element("class name", "budget-state").text
    assert marked(page)[1] == []
    page.find_element("css selector", "[data-unbound]").click()
    assert marked(page) == ([], [], [], [])


def test_a_slide_stands_at_the_methods_own_values(page: Any) -> None:
    table = candidates(page)
    page.execute_script(
        "const e = document.getElementById('slide-time-0'); e.value = 1;"
        "e.dispatchEvent(new Event('input', {bubbles: true}))"
    )
    kept = page.execute_script("return state.views[0].left.map(method => method.label)")
    assert set(kept) == set(table.index[table["time"] <= sorted(table["time"].unique())[1]])
    field = page.find_element("id", "bound-time-0").get_attribute("value")
    bound(page, "time", field)
    assert page.execute_script("return state.views[0].left.map(method => method.label)") == kept


def test_the_address_restores_the_view(page: Any, report: Path) -> None:
    bound(page, "memory", "123.5")
    bound(page, "loss", "7")
    slide(page, "parameters", 0.77)
    page.find_element("css selector", "select[data-axis='x'][data-comparison='0']").send_keys("T, time")
    page.execute_script("document.querySelector(\"nav a[href='#comparison-1']\").click()")
    look = """return [state.weights, state.views.map(view => [view.budget, view.x, view.y]), location.hash,
        document.querySelector('.budget-state').textContent, document.getElementById('bound-memory-0').value]"""
    before = page.execute_script(look)
    assert before[2].startswith("#comparison-1&weights=")
    assert before[1][0][0]["memory"] == 123.5 * 1024**2 and before[1][0][1] == "time"
    ranked = column(page, "tpme")
    address = page.current_url
    page.get("about:blank")
    page.get(address)
    assert page.execute_script(look) == before
    assert column(page, "tpme") == ranked
    assert (
        page.execute_script("return Math.abs(document.getElementById('comparison-1').getBoundingClientRect().top)") < 3
    )
    for odd in ("memory=1e999&weights=-1,2,0&x=no&y=__proto__&loss=%zz", "weights=a,b,c&memory=&=&&%", "memory.9=3"):
        page.execute_script("location.hash = arguments[0]", f"comparison-0&{odd}")
        page.find_element("class name", "budget-state")
    page.get("about:blank")
    page.get(f"{report.as_uri()}#memory=NaN&x=toString&weights=0,0,0")
    assert page.execute_script("return [state.views[0].budget.memory, state.views[0].x, state.weights.time]") == [
        None,
        "memory",
        0.45,
    ]


def test_all_weights_at_zero_keep_the_last_ones(page: Any) -> None:
    for cost in COSTS:
        slide(page, cost, 0)
    assert "above 0" in page.find_element("class name", "weights-state").text
    assert "NaN" not in page.find_element("id", "main-table-0").text


def test_presets_and_back(page: Any) -> None:
    before = scores(page)
    page.find_element("css selector", "[data-preset='mobile']").click()
    assert page.find_element("css selector", "[data-shown='parameters']").text == "0.600"
    assert scores(page) != pytest.approx(before, rel=1e-3)
    page.find_element("css selector", "[data-preset='']").click()
    assert scores(page) == pytest.approx(before, rel=1e-9)


@pytest.mark.parametrize(("key", "first"), [("time", "ascending"), ("HR@10", "descending")])
def test_sorting_begins_with_the_best(page: Any, key: str, first: str) -> None:
    head = page.find_element("css selector", f"#main-table-0 th[data-key='{key}']")
    for direction in (first, "descending" if first == "ascending" else "ascending"):
        head.find_element("tag name", "button").click()
        assert head.get_attribute("aria-sort") == direction
        values = [float(value) for value in column(page, key).values() if value]
        assert values == sorted(values, reverse=direction == "descending")
        assert list(column(page, key).values())[len(values) :] == [""] * (len(column(page, key)) - len(values))


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
    assert len(plot.find_elements("css selector", "g[data-place]")) == 6
    page.find_element("css selector", "select[data-axis='x'][data-comparison='0']").send_keys("TPME")
    assert "lower is better" in plot.text
    assert len(plot.find_elements("css selector", "g[data-place]")) == 5
    point = plot.find_element("css selector", "g[aria-label^='fft']")
    page.execute_script("arguments[0].focus()", point)
    assert "HR@10" in plot.find_element("class name", "tip").text


@pytest.mark.parametrize("width", [1400, 390])
def test_labels_of_the_plot_do_not_overlap(page: Any, width: int) -> None:
    screen(page, width)
    try:
        page.refresh()
        script = """return [...document.querySelectorAll('.plot[data-comparison="0"] text.label')]
            .map(text => { const b = text.getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom] })"""
        boxes = page.execute_script(script)
        assert len(boxes) == 6
        for number, one in enumerate(boxes):
            for other in boxes[number + 1 :]:
                apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
                assert apart, (one, other)
        inner = page.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
        assert inner[0] <= inner[1] == width
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("width", [1400, 390])
def test_what_matters_is_on_the_screen(page: Any, width: int) -> None:
    """Of every table the name of a row and, beside it, its verdict or first number; at 1400 pixels everything."""
    screen(page, width)
    try:
        page.refresh()
        page.execute_script("document.querySelectorAll('details').forEach(section => { section.open = true })")
        off = """return [...document.querySelectorAll('.scroll table')].filter(table => {
            const cells = table.rows[1].cells;
            return cells[Math.min(1, cells.length - 1)].getBoundingClientRect().right > innerWidth }).map(t => t.id)"""
        assert page.execute_script(off) == []
        verdict = """const cell = document.querySelector('#tests-table-0 tbody [data-key="verdict"]');
            return [cell.cellIndex, cell.getBoundingClientRect().right <= innerWidth]"""
        assert page.execute_script(verdict) == [1, True]
        wide = """return [...document.querySelectorAll('.scroll')].filter(s => s.scrollWidth > s.clientWidth)
            .map(s => s.ariaLabel)"""
        assert width < 1400 or page.execute_script(wide) == []
        assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth")
        stays = """const box = document.querySelector('#main-table-0').parentElement; box.scrollLeft = 200;
            const left = box.getBoundingClientRect().left;
            return [...box.querySelectorAll('tr > :first-child')]
                .every(cell => Math.abs(cell.getBoundingClientRect().left - left) < 3)"""
        assert page.execute_script(stays)
        blown = """return [...document.querySelectorAll('figure svg')]
            .filter(svg => svg.getBoundingClientRect().width > Number(svg.getAttribute('width')) + 1).length"""
        assert page.execute_script(blown) == 0
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


def test_a_method_has_the_colour_of_the_pictures(page: Any) -> None:
    script = """return [...document.querySelectorAll(".plot[data-comparison='0'] g[data-place]:not(.dominated)")]
        .map(point => [point.getAttribute('aria-label').split(', ')[0],
            getComputedStyle(point.querySelector('.mark')).stroke])"""
    found = dict(page.execute_script(script))
    colours = {name: bytes.fromhex(look(name, registry.methods()[name].family).colour[1:]) for name in found}
    assert len(found) > 2 and found == {name: f"rgb({r}, {g}, {b})" for name, (r, g, b) in colours.items()}


def test_dark_and_light(page: Any) -> None:
    """By the system's setting and by the button: the page's ground, and with it that of every picture."""

    def lightness(selector: str) -> list[float]:
        """How light the elements are drawn, 0 to 255; what is not drawn is left out."""
        script = """return [...document.querySelectorAll(arguments[0])].map(element => element.tagName === 'BODY'
            ? getComputedStyle(element).backgroundColor : getComputedStyle(element).fill)"""
        found = page.execute_script(script, selector)
        return [sum(map(float, c[c.index("(") + 1 : -1].split(",")[:3])) / 3 for c in found if c != "none"]

    def grounds() -> list[float]:
        return lightness("body, figure svg [id$=-figure_1] > [id$=-patch_1] > path")

    def texts() -> list[float]:
        found = lightness("figure svg text:not(.on-colour *)")
        assert len(found) > 50
        return found

    def seen() -> float:
        figure = page.find_element("css selector", "figure svg")
        page.execute_script("arguments[0].scrollIntoView()", figure)
        colours = Image.open(io.BytesIO(figure.screenshot_as_png)).convert("L")
        return float(max(colours.getcolors(256), key=lambda found: found[0])[1])  # type: ignore[index, arg-type]

    def prefer(scheme: str) -> None:
        page.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        )

    try:
        prefer("light")
        assert min(grounds()) == 255 and seen() == 255 and max(texts()) < 150
        prefer("dark")
        assert max(grounds()) < 40 and seen() < 40 and min(texts()) > 105
        page.find_element("class name", "theme").click()
        assert min(grounds()) == 255 and seen() == 255 and max(texts()) < 150
        prefer("light")
        page.find_element("class name", "theme").click()
        assert max(grounds()) < 40
    finally:
        prefer("")


def test_records_are_linked_and_nothing_is_requested(page: Any, report: Path) -> None:
    links = page.execute_script("return [...document.querySelectorAll('td a')].map(a => a.getAttribute('href'))")
    assert len(links) > 10
    assert all(Record.model_validate_json((report.parent / link).read_text()) for link in links)
    page.get_log("browser")
    page.get_log("performance")
    page.refresh()
    page.find_element("class name", "budget-state")
    assert page.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    assert [url for url in asked if not url.startswith("data:")] == [report.as_uri()]
    assert report.stat().st_size < 3_000_000


def test_a_careless_name_does_no_harm(page: Any) -> None:
    assert any("</script>" in label for label in column(page, "status"))


def test_printing_hides_the_controls(page: Any) -> None:
    dark = {"name": "prefers-color-scheme", "value": "dark"}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": [dark]})
    try:
        assert page.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert not page.find_element("class name", "filter").is_displayed()
        assert page.find_element("id", "main-table-0").is_displayed()
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})


@pytest.mark.skipif(not shutil.which("pdftotext"), reason="pdftotext (Debian: poppler-utils) is not installed")
def test_print_holds_every_heading_and_all_settings(page: Any, tmp_path: Path) -> None:
    bound(page, "memory", "123.5")
    tables = """return [...document.querySelectorAll('main table')].map(table =>
        [...table.tHead.rows[0].cells].map(head => head.textContent))"""
    heads, heading = page.execute_script(tables), page.find_element("tag name", "h1").text
    settings = page.execute_script("""return [...document.querySelectorAll('#settings-table-0 tbody tr')]
        .map(row => [...row.cells].map(cell => cell.textContent))""")
    assert not page.find_element("id", "settings-table-0").is_displayed(), "closed on the screen"
    page.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    )
    try:
        printed = page.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True, "printBackground": True})
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {})
    (tmp_path / "report.pdf").write_bytes(base64.b64decode(printed["data"]))

    def squeezed(text: str) -> str:
        return "".join(text.split())

    run = ["pdftotext", "-raw", tmp_path / "report.pdf", "-"]
    pages = subprocess.run(run, capture_output=True, text=True, check=True).stdout.split("\f")
    whole = squeezed("".join(pages))
    assert squeezed(heading) in whole
    assert "123.5" in whole and "methodsareleft" in whole
    for head in heads:
        assert squeezed("".join(head)) in whole or all(squeezed(cell) in whole for cell in head), head
    for setting, value in settings:
        assert squeezed(setting) in whole and squeezed(value) in whole, (setting, value)
    last = next(page for page in pages if "record schema" in page)
    assert "setting value" in last, "a table's head is repeated on each of its pages"
    assert not page.find_element("id", "settings-table-0").is_displayed(), "closed again"


@pytest.fixture(scope="module")
def hostile_report(tmp_path_factory: pytest.TempPathFactory, make_record: Any) -> Path:
    """A report over records whose every string a browser could take for more than text, in a folder of such a name."""
    directory = tmp_path_factory.mktemp("study") / "javascript:broken#?<b>%22"
    sound = [make_record(method) for method in ("fft", "iisan-cached", "lora", "popularity")]
    for number, record in enumerate(sound):
        changed = hostile(record, first=number)
        changed.cell, changed.family = sound[0].cell.model_copy(), record.family
        changed.cell.method = f"{STARTS[-number - 1]}{record.cell.method} {BODY}"
        changed.environment = sound[0].environment
        changed.save(directory)
    write_report([directory], ReportOptions(formats=("html",)))
    return directory / "report.html"


@pytest.fixture
def hostile_page(browser: Any, hostile_report: Path) -> Any:
    """That report in the browser."""
    browser.set_window_size(1400, 1000)
    for log in ("browser", "performance"):
        browser.get_log(log)
    browser.get(hostile_report.as_uri())
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
    assert len(names) == 4 and sum(bool(value) for value in names.values()) == 3
    events = [json.loads(entry["message"])["message"] for entry in hostile_page.get_log("performance")]
    asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    assert [url for url in asked if not url.startswith("data:")] == [hostile_page.current_url]
    assert hostile_page.get_log("browser") == []


def test_a_link_leads_to_its_record_whatever_the_folder_is_called(hostile_page: Any) -> None:
    hrefs = hostile_page.execute_script("return [...document.querySelectorAll('td a')].map(a => a.href)")
    assert len(hrefs) == 4
    for href in hrefs:
        hostile_page.get(href)
        assert Record.model_validate_json(hostile_page.find_element("tag name", "body").text)
