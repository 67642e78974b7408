"""What is known of a family of encoders from its paper and transformers' code, and a tiny random model of it."""

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

import torch

WIDTH, LAYERS, WORDS, SIDE = 16, 2, 64, 32
SIZE: dict[str, Any] = {
    "hidden_size": WIDTH,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "initializer_range": 0.2,
}
TOKENS: dict[str, Any] = {"vocab_size": WORDS, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}

Place = Literal["cls", "last", "mean"]


@dataclass(frozen=True)
class Surroundings:
    """The tokens that the family's tokenizer puts around every text, and where its class token stands among them."""

    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    class_token: Any = None


FRAMED = Surroundings((1,), (2,), "cls")
ENDED = Surroundings((), (2,))
BARE = Surroundings()


@dataclass(frozen=True)
class Family:
    """A family: transformers' class (without "Model"), its settings, and how its vectors must be read.

    `pooling`: what `auto` must come to. `around`: of texts. `below`: where levels below a pooled output are read.
    `pools`: the output is the model's own `pooler_output`, which is what `pooling` means there or a norm above it.
    `prefix`: leading positions of a picture that are no patch. `final`: the module between the last level and the
    output, after which transformers takes the last of its hidden states. `skips`: how many levels stand before the
    first of these, `beyond`: how many of these above the last level. `refused`: words of the reason why it isn't read.
    """

    kind: str
    settings: dict[str, Any] = field(repr=False)
    pooling: str = "cls"
    around: Surroundings = FRAMED
    below: Place | None = None
    pools: bool = False
    prefix: int = 0
    final: str = ""
    skips: int = 0
    beyond: int = 0
    refused: str = ""

    @property
    def modality(self) -> Literal["text", "image"]:
        return "text" if "vocab_size" in self.settings else "image"

    @property
    def side(self) -> int:
        """Of its pictures, in pixels."""
        side = self.settings.get("image_size", SIDE)
        return side[0] if isinstance(side, list) else side

    @property
    def place(self) -> Place:
        """Where hidden states are read."""
        place: Any = self.below or self.pooling
        return place

    def whole(self, attention: str | None = None) -> Any:
        """A fresh model in eval mode, always with the same weights, as transformers makes it."""
        import transformers

        settings = getattr(transformers, f"{self.kind.removesuffix('Encoder').removesuffix('Base')}Config")(
            **self.settings
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(3)
            model = getattr(transformers, f"{self.kind}Model")(settings).eval()
        if attention:
            with suppress(ValueError, AttributeError):  # a family that has its own code alone
                model.set_attn_implementation(attention)
        return model

    @property
    def is_installed(self) -> bool:
        """Whether this transformers has it."""
        import transformers

        return hasattr(transformers, f"{self.kind}Model")
