"""Training in two phases: language first, then conversation with loss on the answers only.

    python3 train.py --data work --out work/run --steps 4500

Phase one (the first 40 %) reads books, real stories, written dialogues and generated
conversations, and learns every token.  Phase two reads mostly generated conversations and
counts only what the assistant says; a little of the rest stays in.  The learning rate is
flat and falls in a straight line to almost nothing over the last 60 %.

Matrices are trained by Muon (Jordan 2024: momentum, made orthogonal by a Newton-Schulz
iteration), the embedding and the norms by Adam.  bf16, compiled, FlexAttention.  A
checkpoint is written every --save seconds and taken up again if it is there.
"""

import argparse
import json
import os
import time

import numpy as np
import torch

import data
from model import Config, Model, documents, row_mask

# set: share of the rows in phase one and in phase two
SETS = {"books": (0.30, 0.04), "stories": (0.025, 0.004), "dialogues": (0.06, 0.006), "sums": (0.01, 0.0), "plain": (0.065, 0.02), "chat": (0.54, 0.93)}
PHASE_ONE = 0.4


# ---- Muon ---------------------------------------------------------------------------------------

def orthogonal(g):
    """The nearest matrices with all singular values near 1, for a stack [n, rows, cols]."""
    x = g.bfloat16() if g.is_cuda else g
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.transpose(1, 2)
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(5):
        a = x @ x.transpose(1, 2)
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return (x.transpose(1, 2) if tall else x).to(g.dtype)


class Muon:
    """Matrices of one shape are stacked, so that one batched product updates them all."""

    def __init__(self, params, momentum=0.95, decay=0.02):
        shapes = {}
        for p in params:
            shapes.setdefault(tuple(p.shape), []).append(p)
        self.groups = [(ps, torch.zeros((len(ps),) + shape, device=ps[0].device)) for shape, ps in shapes.items()]
        self.momentum, self.decay = momentum, decay
        self.orthogonal = torch.compile(orthogonal) if hasattr(torch, "compile") and params[0].is_cuda else orthogonal

    @torch.no_grad()
    def step(self, lr):
        for ps, buf in self.groups:
            g = torch.stack([p.grad for p in ps])
            buf.lerp_(g, 1 - self.momentum)
            update = self.orthogonal(g.lerp(buf, self.momentum))
            scale = max(1.0, ps[0].shape[0] / ps[0].shape[1]) ** 0.5
            for p, u in zip(ps, update):
                p.mul_(1 - lr * self.decay).add_(u, alpha=-lr * scale)

    def state(self):
        return [buf for _, buf in self.groups]

    def load(self, state):
        for (_, buf), saved in zip(self.groups, state):
            buf.copy_(saved)


# ---- data ------------------------------------------------------------------------------------------

class Rows:
    """One set on the device; rows come in a new random order in every epoch."""

    def __init__(self, name, folder, device, seed):
        rows, masks = data.load_set(folder, name)
        self.rows = torch.from_numpy(rows).to(device)
        self.masks = torch.from_numpy(masks).to(device)
        self.generator = torch.Generator().manual_seed(seed)
        self.order, self.next, self.used = torch.empty(0, dtype=torch.long), 0, 0

    def take(self, n):
        out = []
        while n > 0:
            if self.next >= len(self.order):
                self.order, self.next = torch.randperm(len(self.rows), generator=self.generator), 0
            part = self.order[self.next:self.next + n]
            self.next += len(part)
            self.used += len(part)
            n -= len(part)
            out.append(part)
        return torch.cat(out)

    def batch(self, n):
        index = self.take(n).to(self.rows.device)
        return self.rows[index].long(), unpack(self.masks[index])


def unpack(packed):
    """Bits of np.packbits -> [B, ROW] floats."""
    bits = (packed[:, :, None] >> torch.arange(7, -1, -1, device=packed.device, dtype=torch.uint8)) & 1
    return bits.reshape(len(packed), -1)[:, :data.ROW].float()


def shares(step, steps):
    """Phase (1 or 2) and the share of each set at a step."""
    phase = 1 if step < PHASE_ONE * steps else 2
    return phase, {k: v[phase - 1] for k, v in SETS.items()}


def draw_counts(share, n, rng):
    """How many of n rows come from each set; expected values are exact."""
    total = sum(share.values())
    counts = {k: int(n * v / total) for k, v in share.items()}
    left = {k: n * v / total - counts[k] for k, v in share.items()}
    names, p = list(left), np.array(list(left.values()))
    for k in rng.choice(names, n - sum(counts.values()), p=p / p.sum() if p.sum() else None):
        counts[k] += 1
    return counts


def batch_of(sets, counts, phase):
    """ids, targets, weights of a batch; the weights say which targets count."""
    rows, weights = [], []
    for name, n in counts.items():
        if n:
            r, m = sets[name].batch(n)
            if phase == 1:
                ends = (r[:, :-1] == 0) & (r[:, 1:] == 0)
                m = torch.ones_like(m)
                m[:, 1:][ends] = 0.0
            rows.append(r)
            weights.append(m)
    rows, weights = torch.cat(rows), torch.cat(weights)
    return rows[:, :-1], rows[:, 1:], weights[:, 1:]


# ---- training --------------------------------------------------------------------------------------------

def rate(step, steps, warmup=150):
    if step < warmup:
        return (step + 1) / warmup
    left = (steps - step) / (steps * (1 - PHASE_ONE))
    return max(0.02, min(1.0, left))


def validate(loss_of, sets, batch):
    """Mean loss per counted token of each held-out set.  (With gradients, though unused: the
    compiled graph of training serves here too.)"""
    out = {}
    for name, s in sets.items():
        total = count = 0.0
        for i in range(0, len(s.rows), batch):
            r, m = s.rows[i:i + batch].long(), unpack(s.masks[i:i + batch])
            if len(r) < batch:
                r = torch.cat([r, r.new_zeros(batch - len(r), r.shape[1])])
                m = torch.cat([m, m.new_zeros(batch - len(m), m.shape[1])])
            total += loss_of(r[:, :-1], r[:, 1:], m[:, 1:]).detach().item()
            count += m[:, 1:].sum().item()
        out[name] = total / max(count, 1)
    return out


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--data", required=True)
    ap.add_argument("--out", required=True)
    ap.add_argument("--steps", type=int, default=4500)
    ap.add_argument("--stop-at", type=int, default=1 << 30, help="leave after this step, with a checkpoint")
    ap.add_argument("--batch", type=int, default=80, help="rows of 2048 tokens a step")
    ap.add_argument("--lr", type=float, default=0.02, help="of Muon; Adam takes a fraction")
    ap.add_argument("--adam", type=float, default=0.2, help="Adam's rate as a fraction of --lr")
    ap.add_argument("--every", type=int, default=250, help="validate every so many steps")
    ap.add_argument("--save", type=float, default=120, help="checkpoint every so many seconds")
    ap.add_argument("--layers", type=int, default=Config.layers)
    ap.add_argument("--hidden", type=int, default=Config.hidden)
    ap.add_argument("--ffn", type=int, default=Config.ffn)
    ap.add_argument("--seed", type=int, default=1)
    args = ap.parse_args()
    os.makedirs(args.out, exist_ok=True)
    t0 = time.time()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(args.seed)
    torch.backends.cuda.matmul.allow_tf32 = True
    config = Config(layers=args.layers, hidden=args.hidden, ffn=args.ffn, heads=args.hidden // 64)
    model = Model(config).to(device)
    matrices = [p for n, p in model.named_parameters() if p.dim() == 2 and "embed" not in n]
    rest = [p for n, p in model.named_parameters() if p.dim() != 2 or "embed" in n]
    muon = Muon(matrices)
    adam = torch.optim.Adam(rest, lr=args.lr * args.adam, betas=(0.9, 0.95), eps=1e-10)
    sets = {name: Rows(name, args.data, device, args.seed + i) for i, name in enumerate(SETS)}
    held_out = {name: Rows("val-" + name, args.data, device, 0) for name in ("books", "real", "grammar", "chat")}
    print("parameters: %.2f M; rows: %s" % (model.n_parameters() / 1e6, {k: len(s.rows) for k, s in sets.items()}), flush=True)

    compiled = torch.compile(model) if hasattr(torch, "compile") and device == "cuda" else model
    def loss_of(ids, targets, weights):
        doc, positions = documents(ids)
        with torch.autocast(device, torch.bfloat16):
            return compiled(ids, positions, row_mask(doc), targets, weights)

    checkpoint, log, start, spent = os.path.join(args.out, "checkpoint.pt"), [], 0, 0.0
    if os.path.exists(checkpoint):
        saved = torch.load(checkpoint, map_location=device)
        model.load_state_dict(saved["model"])
        adam.load_state_dict(saved["adam"])
        muon.load(saved["muon"])
        start, log, spent = saved["step"], saved["log"], saved["seconds"]
        for k, s in sets.items():
            if saved["used"][k]:
                s.take(saved["used"][k])
        print("taken up at step %d" % start, flush=True)

    def save(step):
        state = {"model": model.state_dict(), "adam": adam.state_dict(), "muon": muon.state(), "step": step, "log": log, "config": config.dict(),
                 "used": {k: s.used for k, s in sets.items()}, "seconds": spent + time.time() - t0, "args": vars(args)}
        torch.save(state, checkpoint + ".new")
        os.replace(checkpoint + ".new", checkpoint)
        with open(os.path.join(args.out, "log.json"), "w") as f:
            json.dump({"steps": args.steps, "batch": args.batch, "seconds": round(state["seconds"]), "log": log}, f)

    last_save = last_print = time.time()
    seen, running = 0, []
    for step in range(start, min(args.steps, args.stop_at)):
        phase, share = shares(step, args.steps)
        rng = np.random.default_rng((args.seed, step))
        ids, targets, weights = batch_of(sets, draw_counts(share, args.batch, rng), phase)
        loss = loss_of(ids, targets, weights) / weights.sum()
        loss.backward()
        r = rate(step, args.steps)
        torch.nn.utils.clip_grad_norm_(rest, 1.0)
        muon.step(args.lr * r)
        for g in adam.param_groups:
            g["lr"] = args.lr * args.adam * r
        adam.step()
        model.zero_grad(set_to_none=True)
        running.append(loss.detach())
        seen += ids.numel()
        if (step + 1) % 50 == 0 or step == start:
            mean = torch.stack(running).mean().item()
            now = time.time()
            log.append({"step": step + 1, "phase": phase, "loss": round(mean, 4), "rate": round(r, 4)})
            print("step %5d  phase %d  loss %.4f  %.2f M tokens/s  %.0f s" % (step + 1, phase, mean, seen / (now - last_print) / 1e6, now - t0), flush=True)
            seen, running, last_print = 0, [], now
        if (step + 1) % args.every == 0 or step + 1 == args.steps:
            held = validate(loss_of, held_out, args.batch)
            log[-1]["held"] = {k: round(v, 4) for k, v in held.items()}
            print("    held out: " + "  ".join("%s %.3f" % kv for kv in held.items()), flush=True)
            last_print, seen = time.time(), 0
        if time.time() - last_save > args.save:
            save(step + 1)
            last_save = time.time()
    save(min(args.steps, args.stop_at))
    print("epochs: %s" % {k: round(s.used / len(s.rows), 2) for k, s in sets.items()})
    print("training: %.0f s" % (spent + time.time() - t0), flush=True)


if __name__ == "__main__":
    main()
