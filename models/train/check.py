"""Do the shipped forms agree with each other, with PyTorch, and with other people's readers?

    python3 check.py --data work --models .. --hf work/hf

    GGUF and MLX hold the same numbers, bit for bit
    the Jinja template renders every held-out conversation as the training code did
    HuggingFace's tokenizers cuts the same tokens          (if the package is installed)
    transformers' Qwen3 computes the same logits           (if the package is installed)
    FlexAttention and the dense mask give the same loss    (on a GPU)
"""

import argparse
import json
import os
import struct

import numpy as np
import torch

import data
import evaluate
import export
import template
from model import documents, row_mask


def read_back_gguf(path):
    """The tensors of a GGUF file that export.py wrote, under their HuggingFace names."""
    with open(path, "rb") as f:
        blob = f.read()
    at = 0

    def take(fmt):
        nonlocal at
        values = struct.unpack_from("<" + fmt, blob, at)
        at += struct.calcsize("<" + fmt)
        return values[0]

    def string():
        nonlocal at
        n = take("Q")
        at += n
        return blob[at - n:at].decode()

    def value(kind):
        if kind == 8:
            return string()
        if kind == 9:
            inner, n = take("I"), take("Q")
            return [value(inner) for _ in range(n)]
        return take({4: "I", 5: "i", 6: "f", 7: "?"}[kind])

    assert take("I") == 0x46554747 and take("I") == 3
    n_tensors, n_meta = take("Q"), take("Q")
    for _ in range(n_meta):
        string()
        value(take("I"))
    infos = []
    for _ in range(n_tensors):
        name = string()
        dims = [take("Q") for _ in range(take("I"))]
        infos.append((name, dims[::-1], take("I"), take("Q")))
    start = -(-at // export.ALIGN) * export.ALIGN
    out = {}
    for name, shape, kind, offset in infos:
        n = int(np.prod(shape))
        if kind == export.F32:
            out[name] = np.frombuffer(blob, "<f4", n, start + offset).reshape(shape)
        else:
            b = np.frombuffer(blob, np.dtype([("d", "<f2"), ("q", "i1", 32)]), n // 32, start + offset)
            out[name] = (b["q"].astype(np.float32) * b["d"].astype(np.float32)[:, None]).reshape(shape)
    return out


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--data", required=True)
    ap.add_argument("--models", required=True)
    ap.add_argument("--hf", help="the plain HuggingFace checkpoint that export.py wrote")
    args = ap.parse_args()
    mlx = os.path.join(args.models, "minerva-nano-mlx")
    a, b = export.read_back_mlx(mlx), read_back_gguf(os.path.join(args.models, "minerva-nano.gguf"))
    assert {export.gguf_name(n) for n in a} == set(b)
    for name in a:
        assert np.array_equal(a[name], b[export.gguf_name(name)]), name
    print("GGUF and MLX hold the same %d tensors, bit for bit" % len(a))

    with open(os.path.join(args.data, "eval.jsonl")) as f:
        records = [json.loads(line) for line in f]
    t = template.jinja()
    for r in records:
        template.check(t, r)
    print("template: %d conversations render alike" % len(records))

    device = "cuda" if torch.cuda.is_available() else "cpu"
    model, tok = evaluate.load_model(mlx, device)
    prompts = [template.prompt(r["messages"], r.get("tools")) for r in records]
    try:
        import tokenizers
        other = tokenizers.Tokenizer.from_file(os.path.join(mlx, "tokenizer.json"))
        for p in prompts + ["  two  spaces\n\n\tand tabs 12345 it's WE'LL naïve café 日本語 🙂"]:
            assert other.encode(p).ids == tok.encode(p), p
        print("tokenizers %s: %d prompts, the same ids" % (tokenizers.__version__, len(prompts)))
    except ImportError:
        print("tokenizers: not installed")
    if args.hf:
        try:
            import transformers
            other = transformers.AutoModelForCausalLM.from_pretrained(args.hf, torch_dtype=torch.float32).to(device)
            worst = 0.0
            torch.backends.cuda.matmul.allow_tf32 = False
            for p in prompts[::97]:
                ids = torch.tensor([tok.encode(p)], device=device)
                n = ids.shape[1]
                with torch.no_grad():
                    theirs = other(ids).logits
                    mask = torch.ones(n, n, dtype=torch.bool, device=device).tril()[None, None]
                    ours = model.logits(model.hidden(ids, torch.arange(n, device=device)[None], mask))
                worst = max(worst, (ours - theirs).abs().max().item() / theirs.abs().max().item())
            print("transformers %s: largest difference of logits %.1e of their size" % (transformers.__version__, worst))
            assert worst < 1e-3
        except ImportError:
            print("transformers: not installed")
    if device == "cuda":
        rows, masks = data.load_set(args.data, "val-chat")
        r = torch.from_numpy(rows[:4]).to(device).long()
        ids, targets = r[:, :-1], r[:, 1:]
        doc, positions = documents(ids)
        T = ids.shape[1]
        dense = (torch.ones(T, T, dtype=torch.bool, device=device).tril() & (doc[:, :, None] == doc[:, None, :]))[:, None]
        ones = torch.ones_like(targets).float()
        with torch.no_grad():
            x = torch.compile(model)(ids, positions, row_mask(doc), targets, ones).item()
            y = model(ids, positions, dense, targets, ones).item()
        print("FlexAttention %.3f, dense mask %.3f" % (x, y))
        assert abs(x - y) < 2e-3 * abs(y)


if __name__ == "__main__":
    main()
