"""Parts of a record: what was seen of its towers, what a step computes, and what a method costs once it is trained."""

from ..cell import Schema
from ..values import Count, Number, PositiveSeconds, Seconds, Share


class TowerRead(Schema):
    """What a loaded tower was seen to be, and how it was read.

    `model`: its class. `widths`: columns of level 0, what goes into the first layer, and of each layer's output;
    `output`: of what is pooled. `pooling`: what the choice came to; `place`: which positions the levels below the
    output are read at. `causal`: no position sees a later one. `attention`: torch's fused kernel (`sdpa`) or the
    model's own code (`eager`). `side`: of a picture in pixels, and `side_from` what said so.
    """

    model: str = ""
    widths: list[Count] = []
    output: Count = 0
    pooling: str = ""
    place: str = ""
    causal: bool = False
    attention: str = ""
    side: Count | None = None
    side_from: str = ""


class SelfCheck(Schema):
    """What a cell's towers and method passed before it ran: seconds for all tried together, and items tried."""

    seconds: Seconds
    items: Count


class Pass(Schema):
    """Seconds of encoding `items` items of the catalogue, and of ranking it for `users` users after that.

    `waited`: seconds that threads were ready meanwhile and had no core, None where the system does not tell.
    """

    encoding: Seconds
    items: Count
    ranking: Seconds
    users: Count
    waited: Seconds | None = None

    @property
    def disturbance(self) -> float:
        """The share of the pass lost to waiting for a core, at most 1; 0 where it was not measured."""
        took = self.encoding + self.ranking
        return min(1.0, (self.waited or 0.0) / took) if took else 0.0


class Use(Schema):
    """What a method costs once it is trained. `items`: of the catalogue. `passes`: the first is a warm-up.

    `item_operations`: of encoding an item as the encoder reads it, and `tower_operations` of the frozen towers before
    that, where it reads the feature cache; `user_operations`: of ranking the catalogue for a user.
    `known_bytes`: what serves the items there are, their embeddings and the head. `new_bytes`: what embeds others too,
    all of the encoder as far as it was not merged into its towers, the towers, and the head; None where nothing can.
    """

    items: Count
    passes: list[Pass] = []
    item_operations: Count | None = None
    tower_operations: Count | None = None
    user_operations: Count | None = None
    known_bytes: Count | None = None
    new_bytes: Count | None = None


class Compute(Schema):
    """Floating-point operations of the metered training step (the epoch's heaviest), and its items and slots."""

    forward: Count
    backward: Count
    items: Count
    slots: Count


class Plan(Schema):
    """What was computed of a cell that was not run, beside the parameters, operations and bytes that a run would find.

    `steps` and `items` of an epoch: its batches, and the items that they encode. `operations`: of an epoch's training,
    None where it is in no proportion to them. `cache_operations`: of building the feature cache. `module` and
    `moment` (forward, backward or update): where training needs the most memory. `seconds`: of an epoch on `processor`
    with so many `threads`, once these were calibrated; `seconds_error` the share of them by which they may be off, and
    `seconds_measured` that of operators which were measured themselves.
    """

    steps: Count = 0
    items: Count = 0
    operations: Count | None = None
    cache_operations: Count | None = None
    module: str = ""
    moment: str = ""
    processor: str = ""
    threads: Count = 0
    seconds: PositiveSeconds | None = None
    seconds_error: Number | None = None
    seconds_measured: Share | None = None
