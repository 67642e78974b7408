"""Families that read pictures."""

from typing import Any

from .family import SIDE, SIZE, Family

_VIT = SIZE | {"image_size": SIDE, "patch_size": 8}
_DINO = _VIT | {"mlp_ratio": 2}
_TRANSFORMERS = [
    Family("ViT", _VIT, final="layernorm"),
    Family("DeiT", _VIT, final="layernorm"),
    Family("Beit", _VIT, "mean", prefix=1, pools=True),
    Family("Data2VecVision", _VIT),
    Family("Dinov2", _DINO, pools=True, final="layernorm"),
    Family("Dinov2WithRegisters", _DINO, pools=True, final="layernorm"),
    Family("DINOv3ViT", _VIT | {"num_register_tokens": 3}, pools=True, final="norm"),
    Family("ViTMSN", _VIT, final="layernorm"),
    Family("ViTMAE", _VIT, final="layernorm"),
    Family("IJepa", _VIT, "mean", final="layernorm"),
    Family("CLIPVision", _VIT, pools=True),
    Family("SiglipVision", _VIT, "pooler", below="mean", pools=True, final="post_layernorm"),
    Family(
        "Siglip2Vision",
        SIZE | {"num_patches": 16, "patch_size": 8},
        refused="wants pixel_attention_mask and spatial_shapes",
    ),
]

_WINDOWS: dict[str, Any] = {"image_size": SIDE, "patch_size": 4, "embed_dim": 8, "depths": [1, 2], "num_heads": [1, 2]}
_HIERA = {"image_size": [SIDE, SIDE], "embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2], "num_query_pool": 1}
_CONVOLUTIONS: dict[str, Any] = {"hidden_sizes": [8, 12, 16], "depths": [1, 1, 1], "num_stages": 3}
_TWO: dict[str, Any] = {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]}
_FOUR: dict[str, Any] = {"hidden_sizes": [8, 12, 16, 20], "depths": [1] * 4}
_HEADS = _FOUR | {"hidden_sizes": [8, 8, 16, 16], "num_attention_heads": [1] * 4}
_EFFICIENT = {"image_size": 64, "width_coefficient": 0.25, "depth_coefficient": 0.3, "hidden_dim": 320}
_LEVIT = {"image_size": 128, "hidden_sizes": [8, 12, 16], "num_attention_heads": [1, 1, 2]}
_LEVIT |= {"key_dim": [4, 4, 4], "depths": [1, 1, 1]}
_MOBILE = {"image_size": 64, "hidden_sizes": [8, 12, 16], "neck_hidden_sizes": [8, 8, 12, 12, 16, 20, 24]}
_STAGED = [
    Family("Swin", _WINDOWS | {"window_size": 2}, "mean", pools=True, final="layernorm"),
    Family("Swinv2", _WINDOWS | {"window_size": 2}, "mean", pools=True, final="layernorm"),
    Family("FocalNet", _WINDOWS | {"use_layerscale": False}, "mean", pools=True, final="layernorm"),
    Family("Hiera", _HIERA, "mean", pools=True),
    Family("ConvNext", _CONVOLUTIONS, "mean", pools=True),
    Family("ConvNextV2", _CONVOLUTIONS, "mean", pools=True),
    Family("DINOv3ConvNext", _FOUR | {"image_size": SIDE}, "pooler", below="mean", pools=True),
    Family("ResNet", _TWO, "mean", pools=True),
    Family("RegNet", _TWO, "mean", pools=True),
    Family("PoolFormer", _FOUR, "mean", skips=1),
    Family("Segformer", _HEADS, "mean", skips=1),
    Family("Pvt", _HEADS | {"image_size": SIDE}, "mean", skips=1, beyond=1),
    Family("PvtV2", _HEADS | {"image_size": SIDE}, "mean", skips=1),
    Family("Bit", _TWO | {"num_groups": 4}, "mean", pools=True),
    Family("EfficientNet", _EFFICIENT, "mean", pools=True),
    Family("Levit", _LEVIT, "mean", pools=True),
    Family("MobileNetV2", {"image_size": 64, "depth_multiplier": 0.25}, "mean", pools=True, skips=1),
    Family("MobileViT", _MOBILE, "mean", pools=True, skips=1),
    Family("Cvt", {"embed_dim": [8, 12, 16], "num_heads": [1, 1, 2], "depth": [1, 2, 3]}, "mean", skips=1),
    Family("SwiftFormer", {"image_size": SIDE, "embed_dims": [8, 12, 16, 20], "depths": [1] * 4}, "mean"),
]

PICTURES = [*_TRANSFORMERS, *_STAGED]
