"""Families that read texts."""

from typing import Any

from .family import BARE, ENDED, LAYERS, SIZE, TOKENS, WIDTH, Family, Surroundings

_TEXT = SIZE | TOKENS
_ROBERTA = _TEXT | {"max_position_embeddings": 40, "type_vocab_size": 1}
_RELATIVE = _TEXT | {
    "relative_attention": True,
    "position_biased_input": False,
    "type_vocab_size": 0,
    "pos_att_type": ["c2p", "p2c"],
}
_SMALL = _TEXT | {"embedding_size": 8}
_AS_WIDE = _TEXT | {"embedding_size": WIDTH}
_FUNNEL = TOKENS | {"block_sizes": [1, 1], "num_decoder_layers": 1}
_FUNNEL |= {"d_model": WIDTH, "n_head": 2, "d_head": 8, "d_inner": 24}
_ENCODERS = [
    Family("Bert", _TEXT),
    Family("Roberta", _ROBERTA),
    Family("XLMRoberta", _ROBERTA),
    Family("Camembert", _ROBERTA),
    Family("Data2VecText", _ROBERTA),
    Family("RobertaPreLayerNorm", _ROBERTA, final="LayerNorm"),
    Family("XLMRobertaXL", _ROBERTA, final="encoder.LayerNorm"),
    Family("Electra", _SMALL),
    Family("Albert", _SMALL),
    Family(
        "DistilBert",
        TOKENS | {"dim": WIDTH, "n_layers": LAYERS, "n_heads": 2, "hidden_dim": 24, "initializer_range": 0.2},
    ),
    Family("MPNet", _TEXT),
    Family("Deberta", _RELATIVE),
    Family("DebertaV2", _RELATIVE | {"share_att_key": True, "norm_rel_ebd": "layer_norm", "position_buckets": 8}),
    Family("ModernBert", _TEXT | {"local_attention": 4, "global_attn_every_n_layers": 2}, final="final_norm"),
    Family("EuroBert", _TEXT, final="norm"),
    Family("NomicBert", _TEXT),
    Family("Longformer", _ROBERTA | {"attention_window": 4}),
    Family("BigBird", _TEXT | {"attention_type": "original_full"}),
    Family("IBert", _ROBERTA),
    Family("Mra", _TEXT, refused="no position that sees another found"),  # without its CUDA kernel
    Family("Nystromformer", _TEXT | {"num_landmarks": 2, "segment_means_seq_len": 2}),
    Family("ConvBert", _AS_WIDE | {"head_ratio": 1}),
    Family("SqueezeBert", _AS_WIDE, refused="no stack of layers found"),
    Family("FNet", _TEXT | {"tpu_short_seq_length": 40}),
    Family("RoFormer", _AS_WIDE),
    Family("MobileBert", _SMALL | {"intra_bottleneck_size": 8}),
    Family("RemBert", _TEXT | {"input_embedding_size": 8}),
    Family("MegatronBert", _TEXT, final="encoder.ln"),
    Family("Ernie", _TEXT),
    Family(
        "Esm",
        _ROBERTA | {"position_embedding_type": "rotary", "mask_token_id": 4},
        final="encoder.emb_layer_norm_after",
    ),
    Family("Funnel", _FUNNEL, beyond=2),
    Family("FunnelBase", _FUNNEL),
    Family(
        "XLNet",
        TOKENS | {"d_model": WIDTH, "n_layer": LAYERS, "n_head": 2, "d_inner": 24},
        "last",
        Surroundings((), (2, 3), "last"),
    ),
]

_T5: dict[str, Any] = TOKENS | {"d_model": WIDTH, "d_ff": 24, "d_kv": 8, "num_layers": LAYERS, "num_heads": 2}
_BART = TOKENS | {
    "d_model": WIDTH,
    "encoder_layers": LAYERS,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 24,
    "decoder_ffn_dim": 24,
    "init_std": 0.2,
    "decoder_start_token_id": 2,
    "max_position_embeddings": 40,
}
_ENCODER_DECODERS = [
    Family("T5Encoder", _T5, "mean", ENDED, final="encoder.final_layer_norm"),
    Family("MT5Encoder", _T5, "mean", ENDED, final="encoder.final_layer_norm"),
    Family("UMT5Encoder", _T5, "mean", ENDED, final="final_layer_norm"),
    Family("T5", _T5, "mean", ENDED, final="final_layer_norm"),
    Family("Bart", _BART),
    Family("MBart", _BART, "mean", ENDED, final="layer_norm"),
    Family("Pegasus", _BART, "mean", ENDED, final="layer_norm"),
    Family("Marian", _BART, "mean", ENDED),
]

_ROTARY = _TEXT | {"num_key_value_heads": 1}
_GPT = TOKENS | {"n_embd": WIDTH, "n_layer": LAYERS, "n_head": 2, "n_positions": 40, "initializer_range": 0.2}
_LOCAL = _TEXT | {"num_layers": 2, "attention_types": [[["global", "local"], 1]]}
_CAUSAL = [
    Family("GPT2", _GPT, "last", BARE, final="ln_f"),
    Family("GPTNeo", _LOCAL, "last", BARE, final="ln_f"),
    Family("GPTJ", _GPT | {"rotary_dim": 4}, "last", BARE, final="ln_f"),
    Family("GPTNeoX", _TEXT, "last", BARE, final="final_layer_norm"),
    Family(
        "OPT", _TEXT | {"ffn_dim": 24, "word_embed_proj_dim": WIDTH}, "last", BARE, final="decoder.final_layer_norm"
    ),
    Family(
        "CTRL",
        TOKENS | {"n_embd": WIDTH, "n_layer": LAYERS, "n_head": 2, "dff": 24, "n_positions": 40},
        "last",
        BARE,
        final="layernorm",
    ),
    Family("Bloom", TOKENS | {"hidden_size": WIDTH, "n_layer": LAYERS, "n_head": 2}, "last", BARE, final="ln_f"),
    Family("Falcon", _TEXT, "last", BARE, final="ln_f"),
    Family("Llama", _ROTARY, "last", BARE, final="norm"),
    Family("Mistral", _ROTARY, "last", BARE, final="norm"),
    Family("Qwen2", _ROTARY, "last", BARE, final="norm"),
    Family("Qwen3", _ROTARY | {"head_dim": 12}, "last", ENDED, final="norm"),
    Family("Gemma", _ROTARY | {"head_dim": 12}, "last", BARE, final="norm"),
    Family("Gemma2", _ROTARY | {"head_dim": 12}, "last", BARE, final="norm"),
    Family("Gemma3Text", _ROTARY | {"head_dim": 12}, "last", BARE, final="norm"),
    Family("Phi", _TEXT, "last", BARE, final="final_layernorm"),
    Family("Phi3", _ROTARY, "last", BARE, final="norm"),
    Family("StableLm", _ROTARY, "last", BARE, final="norm"),
    Family("Olmo2", _ROTARY, "last", BARE, final="norm"),
    Family("Mamba", TOKENS | SIZE | {"state_size": 4}, "last", BARE, skips=1, beyond=1),
]

_BESIDE_PICTURES = [
    Family(
        "CLIPText",
        _TEXT | {"max_position_embeddings": 40, "eos_token_id": 3},
        "last",
        Surroundings((1,), (3,), "cls"),
        pools=True,
        final="final_layer_norm",
    ),
    Family(
        "SiglipText",
        _TEXT | {"max_position_embeddings": 40, "projection_size": WIDTH},
        "pooler",
        ENDED,
        below="last",
        pools=True,
        final="final_layer_norm",
    ),
]

TEXTS = [*_ENCODERS, *_ENCODER_DECODERS, *_CAUSAL, *_BESIDE_PICTURES]
