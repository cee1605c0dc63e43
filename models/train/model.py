"""The network: a small Qwen3 in plain PyTorch, and batched greedy generation with it.

Layout (HuggingFace names, so that export is a plain copy): token embedding, layers of
RMSNorm -> attention (grouped queries, RMSNorm on each head's q and k, rotary positions in
two halves) -> RMSNorm -> SwiGLU, a last RMSNorm, and the embedding again as the output.

Training rows hold several documents.  Attention never crosses from one into the next, and
positions start again at 0 with each, so a conversation looks in training exactly as it will
in use.  FlexAttention does that on a GPU; a dense mask does it elsewhere.
"""

import math
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import nn

import bpe

try:
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention
except ImportError:  # older PyTorch: the dense mask below is used
    flex_attention = None


@dataclass
class Config:
    vocab: int = 5120
    hidden: int = 384
    layers: int = 10
    heads: int = 6
    kv_heads: int = 2
    head_dim: int = 64
    ffn: int = 1024
    context: int = 2048
    theta: float = 10000.0
    eps: float = 1e-6

    def dict(self):
        return asdict(self)


def rms_norm(x, weight, eps):
    if hasattr(F, "rms_norm"):
        return F.rms_norm(x, (x.shape[-1],), weight.to(x.dtype), eps)
    y = x.float()
    return (y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + eps)).to(x.dtype) * weight.to(x.dtype)


class Norm(nn.Module):
    def __init__(self, n, eps):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(n)), eps

    def forward(self, x):
        return rms_norm(x, self.weight, self.eps)


def rotary(positions, c):
    """cos, sin [B, 1, T, head_dim / 2] of the positions [B, T]."""
    inverse = c.theta ** (-torch.arange(0, c.head_dim, 2, device=positions.device).float() / c.head_dim)
    angle = positions.float()[:, None, :, None] * inverse
    return angle.cos(), angle.sin()


def rotate(x, cos, sin):
    a, b = x.float().chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1).to(x.dtype)


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        self.q_proj = nn.Linear(c.hidden, c.heads * c.head_dim, bias=False)
        self.k_proj = nn.Linear(c.hidden, c.kv_heads * c.head_dim, bias=False)
        self.v_proj = nn.Linear(c.hidden, c.kv_heads * c.head_dim, bias=False)
        self.o_proj = nn.Linear(c.heads * c.head_dim, c.hidden, bias=False)
        self.q_norm = Norm(c.head_dim, c.eps)
        self.k_norm = Norm(c.head_dim, c.eps)

    def forward(self, x, cos, sin, mask, cache=None):
        c, (B, T, _) = self.c, x.shape
        q = self.q_proj(x).view(B, T, c.heads, c.head_dim).transpose(1, 2)
        k = self.k_proj(x).view(B, T, c.kv_heads, c.head_dim).transpose(1, 2)
        v = self.v_proj(x).view(B, T, c.kv_heads, c.head_dim).transpose(1, 2)
        q, k = rotate(self.q_norm(q), cos, sin), rotate(self.k_norm(k), cos, sin)
        if cache is not None:
            if cache:
                k, v = torch.cat([cache[0], k], 2), torch.cat([cache[1], v], 2)
            cache[:] = [k, v]
        if flex_attention is not None and cache is None and not torch.is_tensor(mask):
            v = v.to(q.dtype)
            y = flex_attention(q, k, v, block_mask=mask, enable_gqa=True)
        else:
            n = c.heads // c.kv_heads
            k, v = k.repeat_interleave(n, 1), v.repeat_interleave(n, 1)
            scores = (q @ k.transpose(2, 3)).float() / math.sqrt(c.head_dim)
            y = scores.masked_fill(~mask, -1e30).softmax(-1).to(v.dtype) @ v
        return self.o_proj(y.transpose(1, 2).reshape(B, T, c.heads * c.head_dim))


class Mlp(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.gate_proj = nn.Linear(c.hidden, c.ffn, bias=False)
        self.up_proj = nn.Linear(c.hidden, c.ffn, bias=False)
        self.down_proj = nn.Linear(c.ffn, c.hidden, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.input_layernorm = Norm(c.hidden, c.eps)
        self.self_attn = Attention(c)
        self.post_attention_layernorm = Norm(c.hidden, c.eps)
        self.mlp = Mlp(c)

    def forward(self, x, cos, sin, mask, cache=None):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, mask, cache)
        return x + self.mlp(self.post_attention_layernorm(x))


class Model(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        self.embed_tokens = nn.Embedding(c.vocab, c.hidden)
        self.layers = nn.ModuleList(Layer(c) for _ in range(c.layers))
        self.norm = Norm(c.hidden, c.eps)
        for name, p in self.named_parameters():
            if p.dim() == 2:
                std = 0.02 if "embed" in name else p.shape[1] ** -0.5
                nn.init.normal_(p, std=0.0 if "o_proj" in name or "down_proj" in name else std)

    def hidden(self, ids, positions, mask, caches=None):
        cos, sin = rotary(positions, self.c)
        x = self.embed_tokens(ids)
        for i, layer in enumerate(self.layers):
            x = layer(x, cos, sin, mask, caches[i] if caches is not None else None)
        return self.norm(x)

    def logits(self, h):
        return F.linear(h, self.embed_tokens.weight.to(h.dtype))

    def forward(self, ids, positions, mask, targets, weights):
        """Sum of the targets' losses, each times its weight.  All [B, T]."""
        logits = self.logits(self.hidden(ids, positions, mask))
        loss = F.cross_entropy(logits.float().view(-1, self.c.vocab), targets.reshape(-1), reduction="none")
        return (loss * weights.reshape(-1)).sum()

    def n_parameters(self):
        return sum(p.numel() for p in self.parameters())


# ---- rows of several documents -----------------------------------------------------------------

def documents(ids):
    """Document number and position inside the document, both [B, T], of rows of tokens."""
    ends = (ids == bpe.END_OF_TEXT).long()
    doc = ends.cumsum(1) - ends
    where = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
    first = torch.zeros_like(ids)
    first[:, 1:] = where[:, 1:] * ends[:, :-1]
    return doc, where - first.cummax(1).values


def row_mask(doc):
    """Causal attention inside each document: a block mask on a GPU, a dense one elsewhere."""
    B, T = doc.shape
    if flex_attention is not None and doc.is_cuda:
        def inside(b, h, q, k):
            return (q >= k) & (doc[b, q] == doc[b, k])
        return create_block_mask(inside, B, None, T, T, device=doc.device, _compile=True)
    causal = torch.ones(T, T, dtype=torch.bool, device=doc.device).tril()
    return (causal & (doc[:, :, None] == doc[:, None, :]))[:, None]


# ---- generation -----------------------------------------------------------------------------------

@torch.no_grad()
def generate(model, prompts, max_new=320, stop=(bpe.IM_END, bpe.END_OF_TEXT)):
    """Greedy continuations of lists of token ids; prompts are padded on the left."""
    device = next(model.parameters()).device
    longest = max(map(len, prompts))
    pad = torch.tensor([longest - len(p) for p in prompts], device=device)
    ids = torch.tensor([[bpe.END_OF_TEXT] * (longest - len(p)) + p for p in prompts], device=device)
    out, done = [[] for _ in prompts], [False] * len(prompts)
    caches = [[] for _ in model.layers]
    where = torch.arange(longest, device=device)
    real = where[None] >= pad[:, None]
    mask = (real[:, None, :] & (where[None, :, None] >= where[None, None, :]))[:, None]
    positions = (where[None] - pad[:, None]).clamp(min=0)
    n = longest
    for _ in range(max_new):
        h = model.hidden(ids, positions, mask, caches)
        ids = model.logits(h[:, -1]).float().argmax(-1)[:, None]
        for i, t in enumerate(ids[:, 0].tolist()):
            if not done[i]:
                if t in stop:
                    done[i] = True
                else:
                    out[i].append(t)
        if all(done):
            break
        positions = (n - pad)[:, None]
        n += 1
        mask = (torch.arange(n, device=device)[None] >= pad[:, None])[:, None, None]
    return out
