"""How a sentence-transformers folder has texts pooled: `1_Pooling/config.json`."""

from pathlib import Path

from ...errors import BenchError
from ...files import read_json
from .anatomy import Place

POOLING_FILE = "1_Pooling/config.json"
_MODES: dict[str, Place] = {
    "cls_token": "cls",
    "lasttoken": "last",
    "mean_tokens": "mean",
    "cls": "cls",
    "mean": "mean",
}
"""Ways to pool, as keys `pooling_mode_…` that are true, or as the one word under `pooling_mode`."""


def stated_pooling(folder: Path) -> Place | None:
    """What a model's folder says; None when it says nothing. BenchError for a way that is none of ours."""
    path = folder / POOLING_FILE
    if not path.exists():
        return None
    settings = read_json(path)
    if not isinstance(settings, dict):
        raise BenchError(f"{path}: no table of how texts are pooled; restore the file")
    named = settings.get("pooling_mode")
    chosen = [key for key, value in settings.items() if key.startswith("pooling_mode_") and value is True]
    keys = [key.removeprefix("pooling_mode_") for key in chosen] if named is None else [str(named)]
    if len(keys) == 1 and keys[0] in _MODES:
        return _MODES[keys[0]]
    what = " and ".join(chosen) or str(named)
    raise BenchError(f"{path}: pooled by {what}, which is not done here; give --set text_pooling=mean, cls or last")
