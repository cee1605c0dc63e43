#!/usr/bin/env python3
"""Makes tiny random models with reference logits, for tests of families and their options.

    make_models.py OUT [FAMILY...]      all variants, or those of some families
    make_models.py OUT fixtures         the smallest ones, kept in tests/data/models

Needs torch, transformers and safetensors; nothing that users run does.  Each entry of
variants.py becomes OUT/golden/models/FAMILY-NAME/: `hf/` as transformers saves it, and
golden.safetensors with three token sequences (1, 17 and 90 long) and their logits, computed
in float32 with eager attention.  Every second config.json keeps the spelling of the entry
(rope_theta, rope_scaling, ...), the others have the one that transformers writes.

Run the golden tests on them with MINERVA_TEST_SHARED=OUT.
"""
import json
import math
import os
import shutil
import sys
import time

import torch
import transformers
from safetensors.torch import save_file

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from variants import BASE, FIXTURES, ONE_PLUS, TRANSPOSED, VARIANTS  # noqa: E402

LENGTHS = (1, 17, 90)


def fill(model, family):
    """Random values of a size that makes every tensor matter, rounded to bf16."""
    rng = torch.Generator().manual_seed(7)
    buffers = [(k, b) for k, b in model.named_buffers() if k in model.state_dict()]
    for name, p in list(model.named_parameters()) + buffers:
        if not p.is_floating_point():
            continue
        last = name.split(".")[-1]
        normal = torch.randn(p.shape, generator=rng)
        if last == "A_log":
            value = torch.log(1 + 7 * torch.rand(p.shape, generator=rng))
        elif last == "dt_bias":
            value = normal - 1
        elif last in ("D", "layer_scalar", "scale", "per_expert_scale"):
            value = 1 + 0.3 * normal
        elif last == "sinks":
            value = normal
        elif p.dim() == 2 and any(e in name for e in ("embed", "wte", "wpe", "embd")):
            value = 0.5 * normal
        elif "norm" in name.lower() or ".ln" in name:
            plus = family in ONE_PLUS and "linear_attn.norm" not in name
            value = 0.2 * normal if last == "bias" or plus else 1 + 0.2 * normal
        elif p.dim() >= 2:
            fan_in = p.shape[-1]
            if "conv1d" in name or "conv.conv" in name:
                fan_in = p[0].numel()
            elif any(t in name for t in TRANSPOSED.get(family, ())):
                fan_in = p.shape[-2]
            value = normal / math.sqrt(fan_in)
        else:
            value = 0.1 * normal
        p.data.copy_(value.to(torch.bfloat16).float())


def make(out, index, family, name, fields):
    folder = f"{out}/golden/models/{family}-{name}"
    given = json.loads(json.dumps({**BASE, **fields}))
    config = transformers.CONFIG_MAPPING[family](**json.loads(json.dumps(given)))
    model = transformers.AutoModelForCausalLM.from_config(
        config, attn_implementation="eager", dtype=torch.float32).eval()
    fill(model, family)
    model.to(torch.bfloat16).save_pretrained(f"{folder}/hf")
    if index % 2 == 0:
        written = json.load(open(f"{folder}/hf/config.json"))
        json.dump({"architectures": written["architectures"], "model_type": family,
                   "torch_dtype": "bfloat16", **given},
                  open(f"{folder}/hf/config.json", "w"), indent=1)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        f"{folder}/hf", attn_implementation="eager", experts_implementation="eager",
        dtype=torch.float32).eval()
    data = {}
    rng = torch.Generator().manual_seed(11 + index)
    for i, n in enumerate(LENGTHS):
        tokens = torch.randint(3, given["vocab_size"], (n,), generator=rng)
        with torch.no_grad():
            logits = model(tokens[None], use_cache=False).logits[0].float().contiguous()
        if not torch.isfinite(logits).all():
            raise ValueError("logits are not finite")
        data[f"tokens.{i}"] = tokens.int()
        data[f"logits.{i}"] = logits
        data[f"greedy.{i}"] = torch.zeros(16, dtype=torch.int32)
    save_file(data, f"{folder}/golden.safetensors")
    return float(data["logits.2"].std())


def main():
    out, only = sys.argv[1], sys.argv[2:]
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    variants = VARIANTS
    if only == ["fixtures"]:
        variants, only = FIXTURES, []
    os.makedirs(f"{out}/golden/models", exist_ok=True)
    open(f"{out}/golden/README.md", "w").write("made by tests/reference/make_models.py\n")
    start, failed = time.time(), 0
    for index, (family, name, fields) in enumerate(variants):
        if only and family not in only:
            continue
        try:
            spread = make(out, index, family, name, fields)
            print(f"{family}-{name}: logits spread {spread:.2f}", flush=True)
        except Exception as e:  # a library's own refusal: go on with the next
            failed += 1
            print(f"{family}-{name}: {type(e).__name__}: {str(e)[:300]}", flush=True)
            shutil.rmtree(f"{out}/golden/models/{family}-{name}", ignore_errors=True)
    print(f"{time.time() - start:.0f} s, {failed} failed")


main()
