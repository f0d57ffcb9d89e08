"""Models in the Hugging Face format, written and read with numpy-sized means: no transformers.

One folder: config.json, model.safetensors, tokenizer.json, tokenizer_config.json,
generation_config.json. `check` loads it with transformers, where that is installed.
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save

from uzina_recipes.model import NORM_EPSILON, ROPE_BASE, Llama, Shape
from uzina_recipes.run_directory import Failed, write_atomically
from uzina_recipes.shards import SEPARATOR

if TYPE_CHECKING:
    from pathlib import Path

WEIGHTS = "model.safetensors"


def config(shape: Shape, separator: int) -> dict[str, Any]:
    """What config.json says of a model."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.width,
        "intermediate_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_width,
        "max_position_embeddings": shape.context,
        "hidden_act": "silu",
        "rms_norm_eps": NORM_EPSILON,
        "rope_theta": ROPE_BASE,
        "rope_parameters": {"rope_type": "default", "rope_theta": ROPE_BASE},
        "attention_bias": False,
        "mlp_bias": False,
        "attention_dropout": 0.0,
        "tie_word_embeddings": shape.is_tied,
        "bos_token_id": separator,
        "eos_token_id": separator,
        "dtype": "float32",
        "use_cache": True,
    }


def write(folder: Path, model: Llama, *, tokenizer: Path, separator: int) -> None:
    """Write a model and its tokenizer; existing files are replaced one by one."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{WEIGHTS}.partial"
    weights = {name: weight.contiguous().cpu() for name, weight in model.weights().items()}
    try:
        partial.write_bytes(save(weights, metadata={"format": "pt"}))
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    partial.replace(folder / WEIGHTS)
    shutil.copyfile(tokenizer, folder / "tokenizer.json")
    texts = {
        "config.json": config(model.shape, separator),
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": SEPARATOR,
            "eos_token": SEPARATOR,
            "clean_up_tokenization_spaces": False,
            "model_max_length": model.shape.context,
        },
        "generation_config.json": {
            "bos_token_id": separator,
            "eos_token_id": separator,
            "do_sample": True,
            "temperature": 0.8,
            "top_p": 0.95,
        },
    }
    for name, content in texts.items():
        write_atomically(folder / name, json.dumps(content, indent=2) + "\n")


def read(folder: Path) -> tuple[Llama, int]:
    """A model from its folder, and its separator token.

    Raises Failed when the folder holds another architecture.
    """
    facts = json.loads((folder / "config.json").read_text("utf-8"))
    if facts.get("model_type") != "llama":
        raise Failed(
            f"This recipe reads llama models, and config.json says {facts.get('model_type')}."
        )
    shape = Shape(
        vocabulary=facts["vocab_size"],
        context=facts["max_position_embeddings"],
        width=facts["hidden_size"],
        layers=facts["num_hidden_layers"],
        heads=facts["num_attention_heads"],
        kv_heads=facts["num_key_value_heads"],
        hidden=facts["intermediate_size"],
        is_tied=facts["tie_word_embeddings"],
    )
    model = Llama(shape)
    weights = load_file(folder / WEIGHTS)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.copy_(weights[name])
    return model.eval(), facts["bos_token_id"]


def check(folder: Path, tokens: torch.Tensor) -> dict[str, Any]:
    """Load the folder with transformers and with our own model, and compare their logits.

    tokens  [batch, length], real text

    Without transformers the result says so and claims nothing.
    """
    try:
        import transformers
    except ImportError:
        return {"checked": False, "why": "transformers is not installed here"}
    transformers.utils.logging.disable_progress_bar()
    ours, _ = read(folder)
    theirs = transformers.LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        left, right = ours(tokens), theirs(tokens).logits
    difference = float((left - right).abs().max())
    return {
        "checked": True,
        "transformers": transformers.__version__,
        "tokens": tokens.numel(),
        "equal": bool(torch.equal(left, right)),
        "max_difference": difference,
        "same_next_token": bool(torch.equal(left.argmax(-1), right.argmax(-1))),
    }
