"""Nearest by content: what frozen towers are worth before anything is trained."""

import numpy as np

from ...errors import BenchError
from ..backbones.pair import Backbones
from ..fusion import output_levels
from ..inputs import States
from ..method import Options, Rank
from ..registry import register
from .ranker import Ranker, Scorer, Shelf


class ContentKNNOptions(Options):
    """`last`: of how many of a user's last items the mean is taken, at most."""

    last: Rank = 10


@register("content-knn", family="reference")
class ContentKNN(Ranker):
    """Items by the cosine of their frozen embedding, from the feature cache, to the mean of the user's last ones."""

    options = ContentKNNOptions

    def reads(self, backbones: Backbones) -> dict[str, States]:
        if not backbones.modalities:
            raise BenchError(f"method '{self.name}': there is no tower whose embeddings it could compare; name one")
        return {name: States(levels) for name, levels in output_levels(backbones).items()}

    def scorer(self, shelf: Shelf, generator: np.random.Generator) -> Scorer:
        # Each tower's embeddings have length 1, so that neither outweighs the other.
        table = np.concatenate([_unit(levels[0]) for levels in shelf.states.values()], axis=1)
        table[0] = 0.0  # padding counts for nothing

        def score(histories: np.ndarray) -> np.ndarray:
            # The mean's length is the same for all items of a user, and theirs are alike: the product ranks as the
            # cosine does.
            return table[histories[:, -self.chosen.last :]].sum(axis=1) @ table.T

        return score


def _unit(vectors: np.ndarray) -> np.ndarray:
    """The rows at length 1, float32; one of zeros stays."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)
