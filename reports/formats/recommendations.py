"""A recommendation as one self-contained page: pictures within it, nothing loaded from elsewhere."""

import base64
import io

from PIL import Image

from ...text import visible
from ..figures.recommendations import Shown
from .jinja import environment


def render_page(name: str, notes: list[str], history: list[Shown], found: list[Shown]) -> str:
    """The whole page. `name`: what recommends; `notes`: a line each."""
    jinja = environment(visible)
    jinja.filters["data"] = _data
    template = jinja.get_template("recommendations.html.jinja")
    return template.render(name=name, notes=notes, history=history, found=found)


def _data(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
