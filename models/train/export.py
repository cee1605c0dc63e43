"""From a checkpoint to the files that ship: GGUF and MLX with the same 8-bit weights.

    python3 export.py --checkpoint work/run/checkpoint.pt --tokenizer work/tokenizer.json --out ..

Every matrix is cut into groups of 32 weights with one scale d = max|w| / 127 in f16.  GGUF's
Q8_0 stores d and q = round(w / d); MLX's affine form (8 bits, group 32) stores scale d, bias
-128 d and q + 128, all exact, so both files hold the same numbers and write the same text.
Norms are rounded to f16 in both.  The network is qwen3, whose rotary positions need no
permutation, and whose output shares the embedding.

    write_gguf, write_mlx, write_hf    the three forms
    read_back                          a written form as float arrays, for the checks
"""

import argparse
import json
import os
import struct

import numpy as np
import torch

import bpe
import template

ALIGN = 32
F32, Q8_0 = 0, 8
NAME = "Minerva Nano"
GGUF_NAMES = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm",
              "self_attn.k_norm": "attn_k_norm", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}


def gguf_name(name):
    if name == "embed_tokens.weight":
        return "token_embd.weight"
    if name == "norm.weight":
        return "output_norm.weight"
    _, layer, rest = name.split(".", 2)
    return "blk.%s.%s.weight" % (layer, GGUF_NAMES[rest[:-len(".weight")]])


def quantise(w):
    """[rows, cols] -> int8 codes [rows, cols], f16 scales [rows, cols / 32]."""
    g = w.astype(np.float32).reshape(w.shape[0], -1, 32)
    d = (np.abs(g).max(-1) / 127.0).astype(np.float16)
    inverse = np.where(d > 0, 1.0 / np.maximum(d.astype(np.float32), 1e-30), 0.0)
    q = np.clip(np.rint(g * inverse[..., None]), -127, 127).astype(np.int8)
    return q.reshape(w.shape), d


def dequantise(q, d):
    return (q.reshape(q.shape[0], -1, 32).astype(np.float32) * d.astype(np.float32)[..., None]).reshape(q.shape)


def prepared(weights):
    """name -> ("matrix", codes, scales) or ("norm", f16 values)."""
    out = {}
    for name, w in weights.items():
        out[name] = ("matrix",) + quantise(w) if w.ndim == 2 else ("norm", w.astype(np.float16))
    return out


def effective(weights):
    """The weights that both files hold, as floats."""
    return {n: dequantise(*p[1:]) if p[0] == "matrix" else p[1].astype(np.float32) for n, p in prepared(weights).items()}


# ---- GGUF ---------------------------------------------------------------------------------

def gguf_string(s):
    b = s.encode()
    return struct.pack("<Q", len(b)) + b


def gguf_value(v):
    """Type code and bytes of a metadata value."""
    if isinstance(v, bool):
        return 7, struct.pack("<?", v)
    if isinstance(v, int):
        return 4, struct.pack("<I", v)
    if isinstance(v, float):
        return 6, struct.pack("<f", v)
    if isinstance(v, str):
        return 8, gguf_string(v)
    kind = {str: 8, int: 5, float: 6}[type(v[0])]
    body = b"".join(gguf_string(x) if kind == 8 else struct.pack("<i" if kind == 5 else "<f", x) for x in v)
    return 9, struct.pack("<IQ", kind, len(v)) + body


def gguf_metadata(c, tok, chat_template):
    n_special = len(bpe.CONTROL)
    types = [3] * n_special + [4] * len(bpe.TAGS) + [1] * (len(tok) - len(bpe.SPECIALS))
    return {
        "general.architecture": "qwen3", "general.type": "model", "general.name": NAME, "general.size_label": "18M", "general.license": "mit",
        "general.description": "A small demonstration model, trained from scratch for the Minerva runtime.",
        "general.file_type": 7, "general.quantization_version": 2, "general.sampling.temp": 0.0,
        "qwen3.block_count": c["layers"], "qwen3.context_length": c["context"], "qwen3.embedding_length": c["hidden"], "qwen3.feed_forward_length": c["ffn"],
        "qwen3.attention.head_count": c["heads"], "qwen3.attention.head_count_kv": c["kv_heads"], "qwen3.attention.key_length": c["head_dim"],
        "qwen3.attention.value_length": c["head_dim"], "qwen3.attention.layer_norm_rms_epsilon": float(c["eps"]), "qwen3.rope.freq_base": float(c["theta"]),
        "qwen3.vocab_size": c["vocab"],
        "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "qwen2", "tokenizer.ggml.tokens": tok.tokens, "tokenizer.ggml.token_type": types,
        "tokenizer.ggml.merges": [a + " " + b for a, b in tok.merges], "tokenizer.ggml.eos_token_id": bpe.IM_END, "tokenizer.ggml.eot_token_id": bpe.IM_END,
        "tokenizer.ggml.padding_token_id": bpe.END_OF_TEXT, "tokenizer.ggml.add_bos_token": False, "tokenizer.chat_template": chat_template,
    }


def write_gguf(path, weights, c, tok, chat_template):
    meta = gguf_metadata(c, tok, chat_template)
    tensors = []
    for name, p in prepared(weights).items():
        if p[0] == "matrix":
            q, d = p[1], p[2]
            block = np.dtype([("d", "<f2"), ("q", "i1", 32)])
            data = np.empty(d.size, block)
            data["d"], data["q"] = d.ravel(), q.reshape(-1, 32)
            tensors.append((gguf_name(name), q.shape, Q8_0, data.tobytes()))
        else:
            tensors.append((gguf_name(name), p[1].shape, F32, p[1].astype("<f4").tobytes()))
    tensors.sort(key=lambda t: (t[0] != "token_embd.weight", [int(x) if x.isdigit() else x for x in t[0].split(".")] if t[0].startswith("blk") else ["~", t[0]]).__repr__())
    head = struct.pack("<IIQQ", 0x46554747, 3, len(tensors), len(meta))
    for k, v in meta.items():
        kind, body = gguf_value(v)
        head += gguf_string(k) + struct.pack("<I", kind) + body
    offset = 0
    for name, shape, kind, data in tensors:
        dims = tuple(reversed(shape))
        head += gguf_string(name) + struct.pack("<I", len(dims)) + struct.pack("<%dQ" % len(dims), *dims) + struct.pack("<IQ", kind, offset)
        offset += -(-len(data) // ALIGN) * ALIGN
    with open(path, "wb") as f:
        f.write(head + b"\0" * (-len(head) % ALIGN))
        for _, _, _, data in tensors:
            f.write(data + b"\0" * (-len(data) % ALIGN))


# ---- safetensors: MLX and HuggingFace ------------------------------------------------------------

ST_TYPES = {"float16": "F16", "float32": "F32", "uint32": "U32"}


def write_safetensors(path, tensors, metadata):
    header, offset = {"__metadata__": metadata}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for _, _, data in tensors.values():
            f.write(data)


def read_safetensors(path):
    with open(path, "rb") as f:
        n, = struct.unpack("<Q", f.read(8))
        header, data = json.loads(f.read(n)), f.read()
    kinds = {"F16": np.float16, "F32": np.float32, "U32": np.uint32}
    return {k: np.frombuffer(data[slice(*v["data_offsets"])], kinds[v["dtype"]]).reshape(v["shape"]) for k, v in header.items() if k != "__metadata__"}


def plain(array):
    return ST_TYPES[array.dtype.name], array.shape, array.tobytes()


def hf_config(c):
    return {
        "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "vocab_size": c["vocab"], "hidden_size": c["hidden"], "intermediate_size": c["ffn"],
        "num_hidden_layers": c["layers"], "num_attention_heads": c["heads"], "num_key_value_heads": c["kv_heads"], "head_dim": c["head_dim"],
        "max_position_embeddings": c["context"], "rope_theta": c["theta"], "rope_scaling": None, "rms_norm_eps": c["eps"], "hidden_act": "silu", "attention_bias": False,
        "attention_dropout": 0.0, "tie_word_embeddings": True, "use_sliding_window": False, "sliding_window": None, "max_window_layers": c["layers"],
        "initializer_range": 0.02, "use_cache": True, "bos_token_id": None, "eos_token_id": bpe.IM_END, "pad_token_id": bpe.END_OF_TEXT, "torch_dtype": "float16",
    }


def write_mlx(folder, weights, c, tok, chat_template):
    tensors = {}
    for name, p in prepared(weights).items():
        full = "model." + name
        if p[0] == "norm":
            tensors[full] = plain(p[1])
            continue
        q, d = p[1], p[2]
        codes = (q.astype(np.int16) + 128).astype(np.uint8)
        tensors[full] = plain(np.ascontiguousarray(codes).view("<u4"))
        tensors[full[:-len("weight")] + "scales"] = plain(d)
        tensors[full[:-len("weight")] + "biases"] = plain((d.astype(np.float32) * -128.0).astype(np.float16))
    config = hf_config(c)
    config["quantization"] = config["quantization_config"] = {"group_size": 32, "bits": 8, "mode": "affine"}
    os.makedirs(folder, exist_ok=True)
    write_safetensors(os.path.join(folder, "model.safetensors"), dict(sorted(tensors.items())), {"format": "mlx"})
    write_companions(folder, config, tok, chat_template)


def write_hf(folder, weights, c, tok, chat_template):
    """The same numbers as a plain f32 checkpoint, for transformers."""
    os.makedirs(folder, exist_ok=True)
    tensors = {"model." + n: plain(w) for n, w in effective(weights).items()}
    write_safetensors(os.path.join(folder, "model.safetensors"), tensors, {"format": "pt"})
    write_companions(folder, dict(hf_config(c), torch_dtype="float32"), tok, chat_template)


def write_companions(folder, config, tok, chat_template):
    def dump(name, value):
        with open(os.path.join(folder, name), "w") as f:
            json.dump(value, f, indent=2, ensure_ascii=False)
            f.write("\n")

    dump("config.json", config)
    dump("generation_config.json", {"bos_token_id": None, "eos_token_id": [bpe.IM_END, bpe.END_OF_TEXT], "pad_token_id": bpe.END_OF_TEXT, "do_sample": False})
    special = {str(i): {"content": s, "lstrip": False, "rstrip": False, "normalized": False, "single_word": False, "special": s in bpe.CONTROL} for i, s in enumerate(bpe.SPECIALS)}
    dump("tokenizer_config.json", {
        "tokenizer_class": "PreTrainedTokenizerFast", "added_tokens_decoder": special, "bos_token": None, "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "unk_token": None,
        "add_bos_token": False, "clean_up_tokenization_spaces": False, "model_max_length": config["max_position_embeddings"], "chat_template": chat_template})
    with open(os.path.join(folder, "chat_template.jinja"), "w") as f:
        f.write(chat_template)
    tok.save(os.path.join(folder, "tokenizer.json"))


# ---- reading back -----------------------------------------------------------------------------------

def read_back_mlx(folder):
    t, out = read_safetensors(os.path.join(folder, "model.safetensors")), {}
    for name, a in t.items():
        if name.endswith((".scales", ".biases")):
            continue
        if a.dtype == np.uint32:
            base = name[:-len("weight")]
            s, b = t[base + "scales"].astype(np.float32), t[base + "biases"].astype(np.float32)
            codes = a.view(np.uint8).reshape(a.shape[0], -1, 32).astype(np.float32)
            out[name[len("model."):]] = (codes * s[..., None] + b[..., None]).reshape(a.shape[0], -1)
        else:
            out[name[len("model."):]] = a.astype(np.float32)
    return out


def load_checkpoint(path):
    saved = torch.load(path, map_location="cpu")
    return {n: p.float().numpy() for n, p in saved["model"].items()}, saved["config"]


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--checkpoint", required=True)
    ap.add_argument("--tokenizer", required=True)
    ap.add_argument("--out", required=True)
    ap.add_argument("--hf", help="also write a plain HuggingFace checkpoint here")
    args = ap.parse_args()
    weights, c = load_checkpoint(args.checkpoint)
    tok = bpe.Tokenizer.load(args.tokenizer)
    with open(template.TEMPLATE) as f:
        chat_template = f.read()
    gguf, mlx = os.path.join(args.out, "minerva-nano.gguf"), os.path.join(args.out, "minerva-nano-mlx")
    write_gguf(gguf, weights, c, tok, chat_template)
    write_mlx(mlx, weights, c, tok, chat_template)
    want, got = effective(weights), read_back_mlx(mlx)
    for name in want:
        assert np.array_equal(want[name], got[name]), "MLX form differs in " + name
    if args.hf:
        write_hf(args.hf, weights, c, tok, chat_template)
    size = os.path.getsize(gguf) + sum(os.path.getsize(os.path.join(mlx, f)) for f in os.listdir(mlx))
    print("both forms together: %.2f MB" % (size / 1e6))


if __name__ == "__main__":
    main()
