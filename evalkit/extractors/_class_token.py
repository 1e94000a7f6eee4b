"""The last layer of a vision transformer for its class token alone: nothing after it looks at the other tokens.

Of that layer only keys and values of the others are needed, so a ViT-B/32 has a fifteenth less to compute.
"""

from __future__ import annotations

from typing import Any


def class_token_layer(layer: Any) -> Any:
    """An encoder layer of transformers' CLIP as a module (n, tokens, d) -> (n, 1, d) with the same weights.

    The result is the first row of the layer's own result (Vaswani et al. 2017, arXiv 1706.03762: pre-norm attention and
    feed-forward, each added to its input).
    """
    from torch import nn
    from torch.nn.functional import scaled_dot_product_attention

    attention = layer.self_attn

    class ClassTokenLayer(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, tokens: Any, *_: Any, **told: Any) -> Any:
            seen = layer.layer_norm1(tokens)
            query, key, value = attention.q_proj(seen[:, :1]), attention.k_proj(seen), attention.v_proj(seen)
            found = scaled_dot_product_attention(by_head(query), by_head(key), by_head(value))
            token = tokens[:, :1] + attention.out_proj(found.transpose(1, 2).flatten(2))
            token = token + layer.mlp(layer.layer_norm2(token))
            return (token,) if "output_attentions" in told else token  # transformers 4 takes a tuple

    def by_head(rows: Any) -> Any:
        return rows.unflatten(-1, (attention.num_heads, -1)).transpose(1, 2)

    return ClassTokenLayer()
