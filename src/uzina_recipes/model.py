"""A small Llama: RMSNorm, rotary positions, grouped queries, SwiGLU; tied or untied embeddings.

Modules carry the names that the Hugging Face format gives them, and do the same operations in the
same order, so an export is a copy and gives equal logits.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

ROPE_BASE = 10_000.0
NORM_EPSILON = 1e-5


@dataclass(frozen=True)
class Shape:
    """How large a model is.

    width must be a multiple of heads, with an even quotient; heads a multiple of kv_heads.
    """

    vocabulary: int
    context: int
    width: int
    layers: int
    heads: int
    kv_heads: int
    hidden: int
    is_tied: bool

    @property
    def head_width(self) -> int:
        """Numbers in one attention head."""
        return self.width // self.heads

    def problems(self) -> list[str]:
        """What does not fit together, as sentences."""
        found = []
        if self.width % (2 * self.heads):
            found.append(
                f"width is {self.width} and heads is {self.heads}: "
                "width must be an even multiple of heads."
            )
        if self.heads % self.kv_heads:
            found.append(
                f"heads is {self.heads} and kv_heads is {self.kv_heads}: "
                "heads must be a multiple of kv_heads."
            )
        return found

    def flop_per_token(self) -> float:
        """Forward and backward: 6 for each parameter that is multiplied, 12 L D T for attention."""
        layer = (
            2 * self.width * self.width
            + 2 * self.width * self.kv_heads * self.head_width
            + 3 * self.width * self.hidden
        )
        multiplied = self.layers * layer + self.vocabulary * self.width
        return 6.0 * multiplied + 12.0 * self.layers * self.width * self.context


class Norm(nn.Module):
    """Scale to a root mean square of one, then by a learned weight."""

    def __init__(self, width: int) -> None:
        """Start with weights of one."""
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the last dimension, in 32 bits."""
        wide = x.to(torch.float32)
        scaled = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + NORM_EPSILON)
        return self.weight * scaled.to(x.dtype)


def rotary(length: int, head_width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The cosines and sines of the rotary positions, each [length, head_width]."""
    even = torch.arange(0, head_width, 2, dtype=torch.int64, device=device).to(torch.float32)
    frequencies = 1.0 / (ROPE_BASE ** (even / head_width))
    positions = torch.arange(length, device=device, dtype=torch.float32)
    angles = (frequencies[None, :, None] @ positions[None, None, :]).transpose(1, 2)[0]
    both = torch.cat((angles, angles), dim=-1)
    return both.cos(), both.sin()


def rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn each pair (i, i + half) of the last dimension by its position's angle."""
    first, second = x.chunk(2, dim=-1)
    return x * cosine + torch.cat((-second, first), dim=-1) * sine


class Attention(nn.Module):
    """Causal attention with fewer keys than queries."""

    def __init__(self, shape: Shape) -> None:
        """Make the four projections."""
        super().__init__()
        self.shape = shape
        narrow = shape.kv_heads * shape.head_width
        self.q_proj = nn.Linear(shape.width, shape.width, bias=False)
        self.k_proj = nn.Linear(shape.width, narrow, bias=False)
        self.v_proj = nn.Linear(shape.width, narrow, bias=False)
        self.o_proj = nn.Linear(shape.width, shape.width, bias=False)

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        """Mix each position with those before it; x [batch, length, width]."""
        batch, length, _ = x.shape
        split = (batch, length, -1, self.shape.head_width)
        query = rotate(self.q_proj(x).view(split).transpose(1, 2), cosine, sine)
        key = rotate(self.k_proj(x).view(split).transpose(1, 2), cosine, sine)
        value = self.v_proj(x).view(split).transpose(1, 2)
        if self.shape.kv_heads < self.shape.heads:
            times = self.shape.heads // self.shape.kv_heads
            key, value = (part.repeat_interleave(times, dim=1) for part in (key, value))
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.o_proj(mixed.transpose(1, 2).reshape(batch, length, -1))


class FeedForward(nn.Module):
    """SwiGLU."""

    def __init__(self, shape: Shape) -> None:
        """Make the three projections."""
        super().__init__()
        self.gate_proj = nn.Linear(shape.width, shape.hidden, bias=False)
        self.up_proj = nn.Linear(shape.width, shape.hidden, bias=False)
        self.down_proj = nn.Linear(shape.hidden, shape.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Widen, gate and narrow again."""
        return self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    """Attention and feed-forward, each after a norm and beside a shortcut."""

    def __init__(self, shape: Shape) -> None:
        """Make both halves."""
        super().__init__()
        self.input_layernorm = Norm(shape.width)
        self.self_attn = Attention(shape)
        self.post_attention_layernorm = Norm(shape.width)
        self.mlp = FeedForward(shape)

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        """Apply both halves."""
        x = x + self.self_attn(self.input_layernorm(x), cosine, sine)
        return x + self.mlp(self.post_attention_layernorm(x))


class Trunk(nn.Module):
    """Everything between tokens and logits."""

    def __init__(self, shape: Shape) -> None:
        """Make the embedding, the layers and the last norm."""
        super().__init__()
        self.embed_tokens = nn.Embedding(shape.vocabulary, shape.width)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = Norm(shape.width)


class Llama(nn.Module):
    """The model: tokens [batch, length] in, logits [batch, length, vocabulary] out."""

    def __init__(self, shape: Shape) -> None:
        """Make it with random weights; seed torch before to have the same ones again."""
        super().__init__()
        self.shape = shape
        self.model = Trunk(shape)
        self.lm_head = nn.Linear(shape.width, shape.vocabulary, bias=False)
        if shape.is_tied:
            self.lm_head.weight = self.model.embed_tokens.weight
        self.start_weights()
        self.tables: tuple[Tensor, Tensor] | None = None

    def start_weights(self) -> None:
        """Draw normal weights of 0.02; smaller ones where a layer adds to the shortcut."""
        for name, weight in self.named_parameters():
            if weight.dim() < 2:
                continue
            adds = name.endswith(("o_proj.weight", "down_proj.weight"))
            nn.init.normal_(weight, std=0.02 / (2 * self.shape.layers) ** 0.5 if adds else 0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        """The logits of the token after each position."""
        if self.tables is None or self.tables[0].device != tokens.device:
            self.tables = rotary(self.shape.context, self.shape.head_width, tokens.device)
        length = tokens.shape[1]
        x = self.model.embed_tokens(tokens)
        cosine, sine = (table[:length].to(x.dtype) for table in self.tables)
        for layer in self.model.layers:
            x = layer(x, cosine, sine)
        return self.lm_head(self.model.norm(x))

    def weights(self) -> dict[str, Tensor]:
        """The weights by name; a tied head is left out, as it is the embedding."""
        return {name: weight.detach() for name, weight in self.named_parameters()}

    def size(self) -> dict[str, int]:
        """How many parameters, in all and without the input embedding (where it is its own)."""
        total = sum(weight.numel() for weight in self.parameters())
        embedding = 0 if self.shape.is_tied else self.model.embed_tokens.weight.numel()
        return {"parameters": total, "parameters_without_input_embedding": total - embedding}
