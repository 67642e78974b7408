"""Tiny random models of many families, and what is known of each from its paper and transformers' code."""

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch

from tpmebench.methods.backbones.inspection import inspect
from tpmebench.methods.backbones.loading import part_of
from tpmebench.methods.backbones.tower import Tower, TowerShape
from tpmebench.methods.backbones.trial import Frame, Items

WIDTH, LAYERS, WORDS, SIDE = 16, 2, 64, 32
SIZE: dict[str, Any] = {
    "hidden_size": WIDTH,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "initializer_range": 0.2,
}
TOKENS: dict[str, Any] = {"vocab_size": WORDS, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
TEXT = SIZE | TOKENS
ROTARY = TEXT | {"num_key_value_heads": 1}
GPT = TOKENS | {"n_embd": WIDTH, "n_layer": LAYERS, "n_head": 2, "n_positions": 40, "initializer_range": 0.2}
RELATIVE = TEXT | {"relative_attention": True, "position_biased_input": False, "type_vocab_size": 0}
ROBERTA = TEXT | {"max_position_embeddings": 40, "type_vocab_size": 1}
SEQ2SEQ = TOKENS | {
    "d_model": WIDTH,
    "encoder_layers": LAYERS,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 24,
    "decoder_ffn_dim": 24,
    "init_std": 0.2,
    "decoder_start_token_id": 2,
}
T5: dict[str, Any] = TOKENS | {"d_model": WIDTH, "d_ff": 24, "d_kv": 8, "num_layers": LAYERS, "num_heads": 2}
PICTURE = SIZE | {"image_size": SIDE, "patch_size": 8}
STAGES: dict[str, Any] = {"hidden_sizes": [8, 12, 16], "depths": [1, 1, 1], "num_stages": 3}
WINDOWS: dict[str, Any] = {"image_size": SIDE, "patch_size": 4, "embed_dim": 8, "depths": [1, 2], "num_heads": [1, 2]}


@dataclass(frozen=True)
class Family:
    """A family: transformers' class, its settings, and what is known of it from its papers and transformers' code.

    `pooling`: what `auto` must come to. `frame`: of texts, what stands around each, and where a class token does.
    """

    kind: str
    settings: dict[str, Any]
    pooling: str
    frame: tuple[list[int], list[int], Any] = field(default=([1], [2], "cls"))

    @property
    def modality(self) -> str:
        return "text" if "vocab_size" in self.settings else "image"

    def model(self) -> Any:
        """A fresh model in eval mode, always with the same weights."""
        import transformers

        config = getattr(transformers, f"{self.kind.removesuffix('Encoder')}Config")(**self.settings)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(3)
            return part_of(getattr(transformers, f"{self.kind}Model")(config).eval(), self.modality)

    def items(self) -> Items:
        """What its model is inspected with."""
        if self.modality == "image":
            return Items.pictures(SIDE)
        before, after, place = self.frame
        return Items.titles(Frame(before, after, list(range(60, 10, -4)), 0, place))


BARE: Any = ([], [], None)
END: Any = ([], [2], None)
FAMILIES = [
    Family("Bert", TEXT, "cls"),
    Family("Roberta", ROBERTA, "cls"),
    Family("XLMRoberta", ROBERTA, "cls"),
    Family("Camembert", ROBERTA, "cls"),
    Family("Electra", TEXT | {"embedding_size": 8}, "cls"),
    Family("Albert", TEXT | {"embedding_size": 8}, "cls"),
    Family(
        "DistilBert",
        TOKENS | {"dim": WIDTH, "n_layers": LAYERS, "n_heads": 2, "hidden_dim": 24, "initializer_range": 0.2},
        "cls",
    ),
    Family("MPNet", TEXT, "cls"),
    Family("Deberta", RELATIVE | {"pos_att_type": ["c2p", "p2c"]}, "cls"),
    Family("DebertaV2", RELATIVE | {"pos_att_type": ["c2p", "p2c"], "share_att_key": True}, "cls"),
    Family("ModernBert", TEXT | {"local_attention": 4, "global_attn_every_n_layers": 2}, "cls"),
    Family("Longformer", ROBERTA | {"attention_window": 4}, "cls"),
    Family("BigBird", TEXT | {"attention_type": "original_full"}, "cls"),
    Family("ConvBert", TEXT | {"embedding_size": WIDTH, "head_ratio": 1}, "cls"),
    Family("FNet", TEXT | {"tpu_short_seq_length": 40}, "cls"),
    Family("RoFormer", TEXT | {"embedding_size": WIDTH}, "cls"),
    Family("Nystromformer", TEXT | {"num_landmarks": 2, "segment_means_seq_len": 2}, "cls"),
    Family("MobileBert", TEXT | {"embedding_size": 8, "intra_bottleneck_size": 8}, "cls"),
    Family("RemBert", TEXT | {"input_embedding_size": 8}, "cls"),
    Family("MegatronBert", TEXT, "cls"),
    Family("Ernie", TEXT, "cls"),
    Family("Data2VecText", ROBERTA, "cls"),
    Family("Esm", ROBERTA | {"position_embedding_type": "rotary", "mask_token_id": 4}, "cls"),
    Family(
        "XLNet",
        TOKENS | {"d_model": WIDTH, "n_layer": LAYERS, "n_head": 2, "d_inner": 24},
        "last",
        ([], [2, 3], "last"),
    ),
    Family("T5Encoder", T5, "mean", END),
    Family("MT5Encoder", T5, "mean", END),
    Family("T5", T5, "mean", END),
    Family("Bart", SEQ2SEQ | {"max_position_embeddings": 40}, "cls"),
    Family("MBart", SEQ2SEQ | {"max_position_embeddings": 40}, "mean", END),
    Family("Pegasus", SEQ2SEQ | {"max_position_embeddings": 40}, "mean", END),
    Family("Marian", SEQ2SEQ | {"max_position_embeddings": 40}, "mean", END),
    Family("GPT2", GPT, "last", BARE),
    Family("GPTNeo", TEXT | {"num_layers": 2, "attention_types": [[["global", "local"], 1]]}, "last", BARE),
    Family("GPTNeoX", TEXT, "last", BARE),
    Family("GPTJ", GPT | {"rotary_dim": 4}, "last", BARE),
    Family("OPT", TEXT | {"ffn_dim": 24, "word_embed_proj_dim": WIDTH}, "last", BARE),
    Family("Bloom", TOKENS | {"hidden_size": WIDTH, "n_layer": LAYERS, "n_head": 2}, "last", BARE),
    Family("Falcon", TEXT, "last", BARE),
    Family("Llama", ROTARY, "last", BARE),
    Family("Mistral", ROTARY, "last", BARE),
    Family("Qwen2", ROTARY, "last", BARE),
    Family("Qwen3", ROTARY | {"head_dim": 12}, "last", END),
    Family("Gemma2", ROTARY | {"head_dim": 12}, "last", BARE),
    Family("Gemma3Text", ROTARY | {"head_dim": 12}, "last", BARE),
    Family("Phi", TEXT, "last", BARE),
    Family("Phi3", ROTARY, "last", BARE),
    Family("StableLm", ROTARY, "last", BARE),
    Family("Olmo2", ROTARY, "last", BARE),
    Family("Mamba", TOKENS | {"hidden_size": WIDTH, "num_hidden_layers": 2, "state_size": 4}, "last", BARE),
    Family("CLIPText", TEXT | {"max_position_embeddings": 40, "eos_token_id": 3}, "last", ([1], [3], "cls")),
    Family("SiglipText", TEXT | {"max_position_embeddings": 40, "projection_size": WIDTH}, "pooler", END),
    Family("ViT", PICTURE, "cls"),
    Family("DeiT", PICTURE, "cls"),
    Family("Beit", PICTURE, "mean"),
    Family("Data2VecVision", PICTURE, "cls"),
    Family("Dinov2", PICTURE | {"mlp_ratio": 2}, "cls"),
    Family("Dinov2WithRegisters", PICTURE | {"mlp_ratio": 2}, "cls"),
    Family("DINOv3ViT", PICTURE | {"num_register_tokens": 3}, "cls"),
    Family("DINOv3ConvNext", {"hidden_sizes": [8, 12, 16, 20], "depths": [1] * 4, "image_size": SIDE}, "pooler"),
    Family("ViTMSN", PICTURE, "cls"),
    Family("ViTMAE", PICTURE, "cls"),
    Family("IJepa", PICTURE, "mean"),
    Family("CLIPVision", PICTURE, "cls"),
    Family("SiglipVision", PICTURE, "pooler"),
    Family("Swin", WINDOWS | {"window_size": 2}, "mean"),
    Family("Swinv2", WINDOWS | {"window_size": 2}, "mean"),
    Family("FocalNet", WINDOWS | {"use_layerscale": False}, "mean"),
    Family(
        "Hiera",
        {"image_size": [SIDE, SIDE], "embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2], "num_query_pool": 1},
        "mean",
    ),
    Family("ConvNext", STAGES, "mean"),
    Family("ConvNextV2", STAGES, "mean"),
    Family("ResNet", {"embedding_size": 8, "hidden_sizes": [8, 12], "depths": [1, 1]}, "mean"),
    Family("RegNet", {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]}, "mean"),
    Family("PoolFormer", {"hidden_sizes": [8, 12, 16, 20], "depths": [1] * 4}, "mean"),
    Family("Segformer", {"hidden_sizes": [8, 8, 16, 16], "num_attention_heads": [1] * 4}, "mean"),
]


@cache
def seen(kind: str) -> tuple[Family, Any]:
    """A family and what its inspection found."""
    family = next(each for each in FAMILIES if each.kind == kind)
    return family, inspect(family.model(), family.items())


def tower(kind: str) -> Tower:
    """A fresh tower of a family."""
    family, found = seen(kind)
    shape = TowerShape.of(found, family.modality, found.pooling(family.modality, "auto"))
    return Tower(family.model(), shape, ([0.5] * 3, [0.5] * 3), found)
