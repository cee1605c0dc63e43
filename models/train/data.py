"""Data preparation: corpus and generators -> tokenizer, packed rows, held-out questions.

    python3 data.py --corpus ../../../shared/corpus --out work --tokens 300e6 --jobs 8

Writes into --out:
    tokenizer.json          trained on a sample of everything (kept if it is there already)
    NAME-*.npz              rows of 2049 tokens and the mask of what counts in phase two
    val-NAME.npz            the same for held-out text
    eval.jsonl              held-out conversations by kind, for evaluate.py

A row of conversations holds whole conversations only; each ends with <|endoftext|>, and the
model never looks across it (model.py).  A row of a book is 2049 tokens of running text.
"""

import argparse
import glob
import json
import lzma
import multiprocessing
import os
import re
import time

import numpy as np

import arithmetic
import bpe
import extract
import facts
import follow
import knowledge
import passages
import smalltalk
import stories
import template
import tools
from grammar import Chat, bucket, new_rng, one_of

ROW = 2049
SEED = 20

# kind of conversation: share of the conversations in the mix
MIX = [(stories, 12), (facts, 20), (smalltalk, 11), (knowledge, 11), (arithmetic, 12), (extract, 14), (tools, 14), (follow, 9), (passages, 7)]
MIX_TOTAL = sum(w for _, w in MIX)
COMMON = [facts, smalltalk, knowledge, arithmetic, follow, stories, extract]


def draw_chat(rng):
    """One training conversation: of one kind, or several kinds strung together."""
    if rng.random() < 0.10:
        chat = Chat("mixed", one_of(rng, smalltalk.SYSTEMS) if rng.random() < 0.3 else None)
        for _ in range(rng.choice([2, 2, 3, 4])):
            part = one_of(rng, COMMON).make(rng, "train")
            if not any(m["role"] == "system" for m in part.messages):
                chat.messages += part.messages[:4]
        if chat.messages and chat.messages[-1]["role"] == "assistant":
            return chat.record()
    r = rng.random() * MIX_TOTAL
    for module, weight in MIX:
        r -= weight
        if r < 0:
            break
    return module.make(rng, "train").record()


# ---- corpus ------------------------------------------------------------------------------

def read_xz(corpus, name):
    with lzma.open(os.path.join(corpus, name), "rt", encoding="utf-8") as f:
        return f.read()


def read_lines(corpus, name):
    return [line for line in read_xz(corpus, name).split("\n") if line]


def load_books(corpus):
    books = [b for b in re.split(r"(?m)^<\|book\|>", read_xz(corpus, "books.txt.xz")) if b.strip()]
    return [re.sub(r"\n{3,}", "\n\n", b.strip()) for b in books]


def load_stories(corpus):
    out = []
    for line in read_lines(corpus, "stories.jsonl.xz"):
        text = json.loads(line)["text"].replace("&#x27;", "'").replace("&quot;", '"').strip()
        out.append(text[3:].strip() if text.startswith("---") else text)
    return out


def load_dialogues(corpus):
    """Written chats; the second speaker becomes the assistant."""
    out = []
    for line in read_lines(corpus, "dialogues.jsonl.xz"):
        turns = json.loads(line)["turns"]
        turns = turns[:len(turns) // 2 * 2]
        if turns:
            out.append([{"role": "user" if i % 2 == 0 else "assistant", "content": t} for i, t in enumerate(turns)])
    return out


def load_sums(corpus):
    out = []
    for line in read_lines(corpus, "sums.jsonl.xz"):
        d = json.loads(line)
        answer = re.sub(r"<<[^>]*>>", "", d["answer"]).replace("#### ", "The answer is ") + "."
        out.append([{"role": "user", "content": d["question"]}, {"role": "assistant", "content": answer}])
    return out


def is_held_out(text):
    return bucket(text[:200], 25) == 0


# ---- rows -----------------------------------------------------------------------------------

class Packer:
    """Fills rows with whole documents; what is left of a row is <|endoftext|>, not counted."""

    def __init__(self):
        self.rows, self.masks = [], []
        self.ids, self.mask = [], []

    def add(self, ids, mask):
        ids, mask = ids[:ROW], mask[:ROW]
        if len(self.ids) + len(ids) > ROW:
            self.flush()
        self.ids += ids
        self.mask += mask

    def flush(self):
        pad = ROW - len(self.ids)
        if pad < ROW:
            self.rows.append(self.ids + [bpe.END_OF_TEXT] * pad)
            self.masks.append(self.mask + [0] * pad)
        self.ids, self.mask = [], []

    def arrays(self):
        self.flush()
        return np.array(self.rows, np.int16), np.array(self.masks, np.uint8)


def encode_chat(tok, record):
    ids, mask = [], []
    for text, answer in template.segments(record["messages"], record.get("tools")):
        part = tok.encode(text)
        ids += part
        mask += [1 if answer else 0] * len(part)
    return ids + [bpe.END_OF_TEXT], mask + [0]


def encode_text(tok, text):
    ids = tok.encode_plain(text) + [bpe.END_OF_TEXT]
    return ids, [1] * len(ids)


def save_rows(path, rows, masks):
    np.savez(path, rows=rows, masks=np.packbits(masks, axis=1))


TOK = None


def start_worker(path):
    global TOK
    TOK = bpe.Tokenizer.load(path)


def do_task(task):
    """One shard: (file, kind, payload) -> number of tokens."""
    path, kind, payload = task
    packer = Packer()
    if kind == "books":
        stream = []
        for text in payload:
            stream += TOK.encode_plain(text) + [bpe.END_OF_TEXT]
        n = len(stream) // (ROW - 1) - 1
        rows = np.array([stream[i * (ROW - 1):i * (ROW - 1) + ROW] for i in range(n)], np.int16)
        save_rows(path, rows, np.ones(rows.shape, np.uint8))
        return rows.size
    if kind == "texts":
        for text in payload:
            packer.add(*encode_text(TOK, text))
    elif kind == "chats":
        for messages in payload:
            packer.add(*encode_chat(TOK, {"messages": messages}))
    else:
        seed, budget = payload
        rng, n = new_rng(SEED, kind, seed), 0
        while n < budget:
            ids, mask = encode_text(TOK, stories.plain(rng)) if kind == "plain" else encode_chat(TOK, draw_chat(rng))
            packer.add(ids, mask)
            n += len(ids)
    rows, masks = packer.arrays()
    save_rows(path, rows, masks)
    return rows.size


# ---- held-out sets --------------------------------------------------------------------------

def evaluation(n):
    """Held-out conversations of each kind; `answer` is what counts as exactly right."""
    out = []

    def add(kind, chat):
        rec = chat.record()
        last = rec["messages"].pop()
        out.append(dict(rec, kind=kind, answer=last["content"], calls=[c["function"] for c in last.get("tool_calls", [])]))

    for chat in facts.all_tests():
        add("minerva", chat)
    for kind, module, extra in [("arithmetic", arithmetic, {}), ("extraction", extract, {}), ("extraction, unseen field names", extract, {"unseen_names": True}),
                                ("tool choice", tools, {}), ("one word", follow, {}), ("passage", passages, {})]:
        rng = new_rng(SEED, "eval", kind)
        for _ in range(n):
            add(kind, module.make(rng, "test", **extra))
    return out


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--corpus", required=True)
    ap.add_argument("--out", required=True)
    ap.add_argument("--tokens", type=float, default=300e6, help="tokens of generated conversations")
    ap.add_argument("--plain", type=float, default=20e6, help="tokens of generated stories without a prompt")
    ap.add_argument("--vocab", type=int, default=5120)
    ap.add_argument("--jobs", type=int, default=os.cpu_count())
    ap.add_argument("--small", action="store_true", help="a hundredth of everything, to try the pipeline")
    args = ap.parse_args()
    os.makedirs(args.out, exist_ok=True)
    t0 = time.time()
    if args.small:
        args.tokens, args.plain = args.tokens / 300, args.plain / 100
    books, real = load_books(args.corpus), load_stories(args.corpus)
    dialogues, sums = load_dialogues(args.corpus), load_sums(args.corpus)
    if args.small:
        books, real, dialogues, sums = books[:4], real[::20], dialogues[::50], sums[::50]
    path = os.path.join(args.out, "tokenizer.json")
    if not os.path.exists(path):
        make_tokenizer(path, args.vocab, books, real, dialogues, sums)
        print("tokenizer: %.0f s" % (time.time() - t0), flush=True)

    tasks = []

    def task(name, kind, payload):
        tasks.append((os.path.join(args.out, name + ".npz"), kind, payload))

    n = max(2, args.jobs)
    per = 5e6 if not args.small else 2e5
    for i in range(max(1, int(args.tokens / per))):
        task("chat-%03d" % i, "chat", (i, per))
    for i in range(max(1, int(args.plain / per))):
        task("plain-%03d" % i, "plain", (i, per))
    val_books = [b[-60000:] for b in books[::10]]
    for i in range(n):
        task("books-%02d" % i, "books", [b[:-60000] if j % 10 == 0 else b for j, b in enumerate(books) if j % n == i])
    task("stories-00", "texts", [s for s in real if not is_held_out(s)])
    for i in range(2):
        task("dialogues-%d" % i, "chats", [d for d in dialogues[i::2] if not is_held_out(d[0]["content"])])
    task("sums-0", "chats", sums)
    task("val-real", "texts", [s for s in real if is_held_out(s)])
    task("val-books", "books", val_books)
    rng = new_rng(SEED, "val")
    task("val-grammar", "texts", [stories.draw(rng, "test").tell() for _ in range(400)])
    task("val-chat", "chats", [c.messages for c in (one_of(rng, [stories, facts, smalltalk, knowledge, arithmetic, extract, follow, passages]).make(rng, "test") for _ in range(3000))])
    total = {}
    with multiprocessing.Pool(args.jobs, start_worker, (path,)) as pool:
        for t, size in zip(tasks, pool.imap(do_task, tasks)):
            name = os.path.basename(t[0]).rsplit("-", 1)[0] if not os.path.basename(t[0]).startswith("val") else os.path.basename(t[0])[:-4]
            total[name] = total.get(name, 0) + size
    with open(os.path.join(args.out, "eval.jsonl"), "w") as f:
        for r in evaluation(300 if not args.small else 20):
            f.write(json.dumps(r, ensure_ascii=False) + "\n")
    print("tokens:", {k: "%.2f M" % (v / 1e6) for k, v in total.items()}, flush=True)
    print("data: %.0f s" % (time.time() - t0), flush=True)


def make_tokenizer(path, vocab, books, real, dialogues, sums):
    rng = new_rng(SEED, "tokenizer")
    sample = [b[:60000] for b in books] + real[::4]
    sample += [m["content"] for d in dialogues[::6] for m in d] + [m["content"] for d in sums[::4] for m in d]
    for _ in range(24000):
        r = draw_chat(rng)
        sample += [t for t, _ in template.segments(r["messages"], r.get("tools"))]
    texts = (part for t in sample for part in bpe.split_specials(t) if part not in bpe.SPECIALS)
    merges = bpe.train(bpe.count_pieces(texts), vocab - len(bpe.SPECIALS) - 256)
    bpe.Tokenizer(merges).save(path)


def load_set(out, name):
    """(rows, masks) of all shards NAME-*."""
    rows, masks = [], []
    for path in sorted(glob.glob(os.path.join(out, name + "-*.npz")) or [os.path.join(out, name + ".npz")]):
        with np.load(path) as z:
            rows.append(z["rows"])
            masks.append(z["masks"])
    return np.concatenate(rows), np.concatenate(masks)


if __name__ == "__main__":
    main()
