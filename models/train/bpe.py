"""Byte-level byte-pair encoding: training, encoding, decoding, and the two file forms.

The text is first cut by the pre-tokeniser that llama.cpp and HuggingFace call "qwen2" (each
digit stands alone, which helps sums); inside a piece the most frequent neighbours are
merged, in the order in which training found them.  Bytes are written with the 256 printable
stand-ins that GPT-2 introduced, so that tokens are plain strings in JSON and GGUF.

    train(counts, size)      -> list of merges
    Tokenizer(merges)        encode / decode; specials are matched first
    Tokenizer.json()         tokenizer.json for HuggingFace, MLX and Minerva

Ids: 0..2 control tokens, 3..8 tags of the chat template, then the 256 bytes, then merges.
"""

import collections
import heapq
import json

import regex

PATTERN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TAGS = ["<tools>", "</tools>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>"]
SPECIALS = CONTROL + TAGS
END_OF_TEXT, IM_START, IM_END = 0, 1, 2

pieces = regex.compile(PATTERN).findall
split_specials = regex.compile("(" + "|".join(regex.escape(s) for s in SPECIALS) + ")").split


def byte_letters():
    """The printable character that stands for each byte."""
    keep = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    out, n = {}, 0
    for b in range(256):
        out[b] = chr(b) if b in keep else chr(256 + n)
        n += b not in keep
    return out


LETTER = byte_letters()
BYTE = {c: b for b, c in LETTER.items()}


def spell(piece):
    return "".join(LETTER[b] for b in piece.encode("utf-8"))


def count_pieces(texts):
    counts = collections.Counter()
    for t in texts:
        counts.update(pieces(t))
    return counts


def train(counts, n_merges, min_count=2):
    """The n_merges most frequent merges over pieces with their counts; ties go by name."""
    words = [(list(spell(p)), c) for p, c in sorted(counts.items()) if c >= min_count]
    pair_count, where = collections.Counter(), collections.defaultdict(set)
    for i, (w, c) in enumerate(words):
        for pair in zip(w, w[1:]):
            pair_count[pair] += c
            where[pair].add(i)
    heap = [(-c, p) for p, c in pair_count.items()]
    heapq.heapify(heap)
    merges = []
    while len(merges) < n_merges and heap:
        c, pair = heapq.heappop(heap)
        if pair_count[pair] != -c:
            if pair_count[pair] > 0:
                heapq.heappush(heap, (-pair_count[pair], pair))
            continue
        merges.append(pair)
        touched = set()
        for i in where.pop(pair):
            w, n = words[i]
            j = 0
            while j < len(w) - 1:
                if (w[j], w[j + 1]) != pair:
                    j += 1
                    continue
                for old in ([(w[j - 1], w[j])] if j else []) + ([(w[j + 1], w[j + 2])] if j + 2 < len(w) else []):
                    pair_count[old] -= n
                    touched.add(old)
                w[j:j + 2] = [pair[0] + pair[1]]
                for new in ([(w[j - 1], w[j])] if j else []) + ([(w[j], w[j + 1])] if j + 1 < len(w) else []):
                    pair_count[new] += n
                    where[new].add(i)
                    touched.add(new)
                j += 1
        del pair_count[pair]
        for p in touched:
            if pair_count[p] > 0:
                heapq.heappush(heap, (-pair_count[p], p))
    return merges


class Tokenizer:
    def __init__(self, merges):
        self.merges = [tuple(m) for m in merges]
        self.rank = {m: i for i, m in enumerate(self.merges)}
        self.tokens = SPECIALS + [LETTER[b] for b in range(256)] + [a + b for a, b in self.merges]
        self.ids = {t: i for i, t in enumerate(self.tokens)}
        self.special = {s: self.ids[s] for s in SPECIALS}
        self.cache = {}

    def __len__(self):
        return len(self.tokens)

    def encode_piece(self, piece):
        w = list(spell(piece))
        while len(w) > 1:
            best = min(zip(w, w[1:]), key=lambda p: self.rank.get(p, 1 << 30))
            if best not in self.rank:
                break
            out, i = [], 0
            while i < len(w):
                if i + 1 < len(w) and (w[i], w[i + 1]) == best:
                    out.append(w[i] + w[i + 1])
                    i += 2
                else:
                    out.append(w[i])
                    i += 1
            w = out
        return [self.ids[t] for t in w]

    def encode_plain(self, text):
        """Ids of a text in which the special tokens' names mean nothing."""
        out, cache = [], self.cache
        for p in pieces(text):
            ids = cache.get(p)
            if ids is None:
                ids = self.encode_piece(p)
                if len(cache) < 500000:
                    cache[p] = ids
            out += ids
        return out

    def encode(self, text):
        out = []
        for part in split_specials(text):
            if part in self.special:
                out.append(self.special[part])
            elif part:
                out += self.encode_plain(part)
        return out

    def decode(self, ids, specials=True):
        out = bytearray()
        for i in ids:
            t = self.tokens[i]
            if i < len(SPECIALS):
                out += t.encode() if specials else b""
            else:
                out += bytes(BYTE[c] for c in t)
        return out.decode("utf-8", "replace")

    def json(self):
        """tokenizer.json, the form that HuggingFace's tokenizers library reads."""
        added = [{"id": i, "content": s, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": s in CONTROL} for i, s in enumerate(SPECIALS)]
        return {
            "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": PATTERN}, "behavior": "Isolated", "invert": False},
                {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}]},
            "post_processor": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False},
            "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False},
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "", "end_of_word_suffix": "", "fuse_unk": False, "byte_fallback": False,
                      "ignore_merges": False, "vocab": {t: i for i, t in enumerate(self.tokens)}, "merges": [list(m) for m in self.merges]},
        }

    def save(self, path):
        with open(path, "w") as f:
            json.dump(self.json(), f, ensure_ascii=False, indent=0)

    @classmethod
    def load(cls, path):
        with open(path) as f:
            return cls(json.load(f)["model"]["merges"])
