"""Held-out figures of a trained model, as the model card prints them.

    python3 evaluate.py --data work --model ../minerva-nano-mlx --out work/evaluation.json

Reads the shipped 8-bit weights, answers every question of eval.jsonl greedily and counts the
answers that are right: exactly the expected text, or, for tools, the same call with the same
arguments, and for JSON the same object.  Perplexities are per token.
"""

import argparse
import json
import math
import os
import time

import torch

import bpe
import data
import export
import template
from model import Config, Model, documents, generate, row_mask
from train import unpack


def load_model(folder, device):
    with open(os.path.join(folder, "config.json")) as f:
        c = json.load(f)
    model = Model(Config(vocab=c["vocab_size"], hidden=c["hidden_size"], layers=c["num_hidden_layers"], heads=c["num_attention_heads"], kv_heads=c["num_key_value_heads"],
                         head_dim=c["head_dim"], ffn=c["intermediate_size"], context=c["max_position_embeddings"], theta=c["rope_theta"], eps=c["rms_norm_eps"]))
    model.load_state_dict({n: torch.from_numpy(w.copy()) for n, w in export.read_back_mlx(folder).items()})
    return model.to(device).eval(), bpe.Tokenizer.load(os.path.join(folder, "tokenizer.json"))


def right(record, answer):
    if record["calls"]:
        return answer.strip() == "\n".join(template.call_text(c) for c in record["calls"]) or same_call(record["calls"], answer)
    if record["kind"].startswith("extraction"):
        try:
            return json.loads(answer) == json.loads(record["answer"])
        except ValueError:
            return False
    return answer.strip() == record["answer"].strip()


def same_call(calls, answer):
    try:
        got = [json.loads(part.split("</tool_call>")[0]) for part in answer.split("<tool_call>")[1:]]
    except ValueError:
        return False
    return [{"name": c["name"], "arguments": c["arguments"]} for c in calls] == got


def ask(model, tok, records, batch, max_new=160):
    """Answers to the records, in order; asked in batches of similar length."""
    prompts = [tok.encode(template.prompt(r["messages"], r.get("tools"))) for r in records]
    order = sorted(range(len(records)), key=lambda i: len(prompts[i]))
    answers = [None] * len(records)
    for i in range(0, len(order), batch):
        part = order[i:i + batch]
        for j, ids in zip(part, generate(model, [prompts[k] for k in part], max_new)):
            answers[j] = tok.decode(ids)
    return answers


@torch.no_grad()
def perplexity(model, folder, name, device, limit=60):
    rows, masks = data.load_set(folder, "val-" + name)
    total = count = 0.0
    for i in range(0, min(limit, len(rows)), 4):
        r = torch.from_numpy(rows[i:i + 4]).to(device).long()
        m = unpack(torch.from_numpy(masks[i:i + 4]).to(device))
        ids = r[:, :-1]
        doc, positions = documents(ids)
        T = ids.shape[1]
        causal = torch.ones(T, T, dtype=torch.bool, device=device).tril()
        mask = (causal & (doc[:, :, None] == doc[:, None, :]))[:, None]
        logits = model.logits(model.hidden(ids, positions, mask)).float()
        loss = torch.nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), r[:, 1:].reshape(-1), reduction="none")
        w = m[:, 1:].reshape(-1)
        total += (loss * w).sum().item()
        count += w.sum().item()
    return math.exp(total / max(count, 1))


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--data", required=True)
    ap.add_argument("--model", required=True)
    ap.add_argument("--out", required=True)
    ap.add_argument("--batch", type=int, default=64)
    ap.add_argument("--limit", type=int, default=10 ** 9, help="questions of each kind")
    ap.add_argument("--wrong", type=int, default=4, help="wrong answers of each kind to print")
    args = ap.parse_args()
    t0 = time.time()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model, tok = load_model(args.model, device)
    with open(os.path.join(args.data, "eval.jsonl")) as f:
        records = [json.loads(line) for line in f]
    kinds = {}
    for r in records:
        kinds.setdefault(r["kind"], []).append(r)
    result = {"exact": {}, "perplexity": {}, "wrong": []}
    for kind, rs in kinds.items():
        rs = rs[:args.limit]
        answers = ask(model, tok, rs, args.batch)
        good = [right(r, a) for r, a in zip(rs, answers)]
        result["exact"][kind] = {"right": sum(good), "of": len(rs)}
        print("%-34s %4d of %4d  %5.1f %%" % (kind, sum(good), len(rs), 100 * sum(good) / len(rs)), flush=True)
        bad = [(r, a) for r, a, g in zip(rs, answers, good) if not g]
        for r, a in bad:
            want = "\n".join(template.call_text(c) for c in r["calls"]) if r["calls"] else r["answer"]
            result["wrong"].append({"kind": kind, "asked": r["messages"][-1]["content"], "expected": want, "got": a})
        for w in result["wrong"][-len(bad):][:args.wrong] if bad else []:
            print("    %r\n        expected %r\n        got      %r" % (w["asked"][-160:], w["expected"][:120], w["got"][:120]))
    for name in ("real", "grammar", "books"):
        result["perplexity"][name] = round(perplexity(model, args.data, name, device), 2)
    print("perplexity", result["perplexity"])
    with open(args.out, "w") as f:
        json.dump(result, f, indent=1, ensure_ascii=False)
    print("evaluation: %.0f s" % (time.time() - t0))


if __name__ == "__main__":
    main()
