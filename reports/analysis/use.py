"""What a method costs once it is trained, as one row of numbers."""

from typing import Any

from ..measurements import Pass, Use
from ..records import Record
from .epochs import LEFT_OUT, MARKED, alone


def passes(record: Record, disturbed: bool = False) -> list[Pass]:
    """Those that count: all but the first, where there are more, that lost no more than a fifth to waiting."""
    every = record.use.passes if record.use else []
    return [each for each in every[1:] or every if disturbed or (each.disturbance <= LEFT_OUT and alone(record))]


def use_times(record: Record, disturbed: bool = False) -> dict[str, Any]:
    """Seconds of encoding the whole catalogue and of ranking it for a user; how many passes behind them need a mark."""
    counted = passes(record, disturbed)
    items, users = sum(each.items for each in counted), sum(each.users for each in counted)
    return {
        "encoding": sum(each.encoding for each in counted) / items * record.use.items if record.use and items else None,
        "ranking": sum(each.ranking for each in counted) / users if users else None,
        "use_marked": sum(each.disturbance > MARKED for each in counted) if counted else None,
    }


def use_sizes(record: Record) -> dict[str, Any]:
    """Operations of embedding a new item, the towers' included, and of ranking for a user; bytes to ship."""
    use = record.use or Use(items=0)
    item = use.item_operations
    if item is not None and record.time.cache_build is not None:
        item = None if use.tower_operations is None else item + use.tower_operations
    return {
        "item_operations": None if use.new_bytes is None else item,
        "user_operations": use.user_operations,
        "known_bytes": use.known_bytes,
        "new_bytes": use.new_bytes,
    }
