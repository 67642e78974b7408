"""What of peft, and around it, is no method here, and why."""

from collections.abc import Mapping

_READ_AT_ONE_PLACE = "has no use on an encoder that is read at one place"
_FROM_DATA = "it computes its start from {}, which a method does not see before training"
_POSITIONS = f"it adds positions to the input of a language model, and {_READ_AT_ONE_PLACE}"

REFUSED: Mapping[str, str] = {
    "prompt_tuning": _POSITIONS,
    "multitask_prompt_tuning": _POSITIONS,
    "p_tuning": _POSITIONS,
    "cpt": f"it tunes the context that a language model is shown, and {_READ_AT_ONE_PLACE}",
    "prefix_tuning": f"it adds keys and values through a language model's cache, and {_READ_AT_ONE_PLACE}",
    "cartridge": f"it is a language model's cache of keys and values, and {_READ_AT_ONE_PLACE}",
    "adaption_prompt": f"it is made for the attention of Llama and GPT-2 as language models, and {_READ_AT_ONE_PLACE}",
    "xlora": "it mixes LoRA adapters that were trained before, and there are none",
    "poly": "it shares skills among several tasks, each item with the number of its task, and there is one task",
    "trainable_tokens": "it trains the embeddings of chosen tokens, for vocabularies that grow, and none grows here",
    "shadow": "its parallel network hands a carrier from layer to layer that no encoder's layers can read",
    "adamss": "peft's implementation clusters with scikit-learn, which is none of the suite's libraries",
    "lora-fa": "it is an optimiser that freezes a factor of LoRA, and every method here trains with the same optimiser",
    "loftq": "it quantises the towers, and every method here adapts them as they are",
    "eva": _FROM_DATA.format("what the layers read of the data"),
    "corda": _FROM_DATA.format("what the layers read of the data"),
    "lora-ga": _FROM_DATA.format("gradients of the data"),
}
"""By name, the reason in a line."""
