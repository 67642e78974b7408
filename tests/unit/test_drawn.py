"""Pictures within a page: ids of their own, and colours for light and dark ground."""

import re

from matplotlib.figure import Figure

from tpmebench.reports.figures import drawing as plots
from tpmebench.reports.formats import drawn as in_page


def test_pictures_in_a_page_share_no_ids_and_have_colours_for_dark_ground() -> None:
    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.bar([0], [1], color=["#0072B2"], hatch="//", label="<b>&")
        axes.text(0, 0.5, "on a bar", gid="on-colour")
        axes.legend()

    one, other = (plots.draw(name, "", "<alt>&", 4, paint) for name in ("one", "other"))
    first, second = in_page.inline(one), in_page.inline(other)
    ids = [re.findall(r' id="([^"]+)"', text) for text in (first, second)]
    assert not set(ids[0]) & set(ids[1]) and len(set(ids[0])) == len(ids[0])
    for text, own in ((first, ids[0]), (second, ids[1])):
        assert set(re.findall(r"url\(#([^)]*)\)", text)) | set(re.findall(r'href="#([^"]+)"', text)) <= set(own)
    assert 'class="on-colour"' in first and "<style" not in first and "metadata" not in first
    assert "&lt;b&gt;&amp;" in first and 'aria-label="&lt;alt&gt;&amp;"' in first
    colours = re.findall(r"(?:fill|stroke)[:=] ?\"?(#\w{6}|light-dark)", first)
    assert colours.count("light-dark") == len(colours) - colours.count("light-dark"), "each colour has its twin"
    twins = {"#ffffff": "#15181c", "#000000": "#e8e8e8", "#F0E442": "#f0e442"}
    assert {colour: in_page.on_dark(colour) for colour in twins} == twins
    greys = [in_page.on_dark(f"#{grey:02x}{grey:02x}{grey:02x}") for grey in range(256)]
    lightness = [sum(int(grey[at : at + 2], 16) for at in (1, 3, 5)) for grey in greys]
    assert lightness == sorted(lightness, reverse=True), "greys keep their order, from the ground up"
