"""What `bench plan` says of a card or a memory, and of caches: the advice on a study's planned cells, in sentences."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ...reports.quantities import quantity
from ..study.grid import Planned
from .advice import Room, advice_sentences, advise, cache_pays, cache_sentences, with_training
from .cards import Card
from .fake import Stock
from .floors import Floor, floor
from .forecast import Beside, Forecast, NoForecast, forecast, training_peak_of, work_of

Row = tuple[Planned, Forecast]
"""A cell and what it will cost."""


@dataclass(frozen=True)
class Advisor:
    """Asks further forecasts of cells where a card or a limit of memory is given. `tell`: of each row it turns to."""

    card: Card | None
    limit: str | None
    tell: Callable[[str], None] = lambda _: None

    def sentences(self, rows: Sequence[Row]) -> Iterator[str]:
        """Does it fit, the largest batch, what other settings change; the floors; when caches pay."""
        room, stock = Room.of(self.card, self.limit), Stock()
        if room is not None:
            advice = []
            for planned, found in rows:
                self.tell(f"advising on {planned.label}")
                advice.append(advise(planned.label, found, room, *_asked(stock, planned)))
            yield from advice_sentences(room, advice)
        if self.card is not None:
            yield from self._floors(stock, rows, self.card)
        yield from cache_sentences(_caches(rows))

    def _floors(self, stock: Stock, rows: Sequence[Row], card: Card) -> Iterator[str]:
        found: dict[str, Floor] = {}
        for planned, _ in rows:
            self.tell(f"bounding {planned.label}")
            work = work_of(stock, planned.cell, planned.places)
            if not isinstance(work, NoForecast):
                found[planned.label] = floor(work, card)
        if found:
            told = [f"{label} {quantity(each.seconds, 'moment')} ({each.bound})" for label, each in found.items()]
            yield (
                f"Floors under the time of the heaviest step on {card.name}, no predictions: {', '.join(told)}. They "
                f"rest on its data sheet and on {card.launch * 1e6:g} µs a kernel, which is assumed."
            )


def _asked(stock: Stock, planned: Planned) -> tuple[Callable[..., Forecast | None], Callable[[int], int]]:
    """Forecasts of a cell with other settings, and its training's peaks by batch; without one, more than any memory."""

    def foresee(**settings: object) -> Forecast | None:
        found = forecast(stock, with_training(planned.cell, **settings), planned.places, Beside(epoch=False))
        return None if isinstance(found, NoForecast) else found

    def training(batch: int) -> int:
        found = training_peak_of(stock, with_training(planned.cell, batch=batch), planned.places)
        return 10**18 if isinstance(found, NoForecast) else found

    return foresee, training


def _caches(rows: Sequence[Row]) -> dict[tuple[str, str], float]:
    """When the cache of each row pays against its uncached twin, where that is planned too."""
    found: dict[tuple[str, str], float] = {}
    for cached, costs in rows:
        for twin, others in rows:
            same = cached.cell.model_copy(update={"method": twin.cell.method, "point": twin.cell.point})
            if cached.method.uncached == twin.cell.method and same.identity() == twin.cell.identity():
                found[cached.label, twin.label] = cache_pays(costs, others)
    return found
