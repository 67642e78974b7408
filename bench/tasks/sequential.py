"""Sequential recommendation: SASRec over the items, the debiased in-batch loss, the whole catalogue ranked."""

from typing import cast

import numpy as np
from torch import nn

from ...cell import SEQUENTIAL
from ...datasets.batches import TrainingBatches
from ...datasets.catalogue import Dataset
from ...datasets.protocol import Prepared
from ...datasets.raw import Interactions
from ...datasets.splits import split_as_given
from ...methods.head.recommender import SequentialRecommender
from ...methods.head.sasrec import HeadSize, SASRec
from ...reports.records import KINDS_OF_TARGET
from .ranking import RankingRule, kinds_of_target
from .registry import register
from .task import Settings, Task


class Sequential(Task):
    """The next item of each user, ranked among the whole catalogue, under the published protocol."""

    slices_are = KINDS_OF_TARGET

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        head = settings.head
        self.size = HeadSize(head.width, head.max_length, head.dropout)

    def split(self, interactions: Interactions, n_items: int, max_length: int) -> Prepared:
        return split_as_given(interactions, n_items, max_length)

    def batches(self, dataset: Dataset, size: int, seed: int) -> TrainingBatches:
        return TrainingBatches(dataset.train, self.size.max_length, size, self.settings.training.encode, seed)

    def head(self) -> SASRec:
        return SASRec(self.size)

    def recommender(self, item_encoder: nn.Module, head: nn.Module, dataset: Dataset) -> SequentialRecommender:
        return SequentialRecommender(item_encoder, cast(SASRec, head), dataset.popularity)

    def judge(self) -> RankingRule:
        return RankingRule(self.size.max_length, self.settings.evaluation.repeat_targets)

    def slices(self, dataset: Dataset) -> dict[str, np.ndarray]:
        return kinds_of_target(dataset)


register(SEQUENTIAL, Sequential)
