"""A small text grammar: the one tool that every generator in this folder is written with.

A template is a string with two kinds of holes:

    [a|b|c]     one of the alternatives, drawn at random; they may nest and may be empty
    {key}       the text stored under `key`; its value is itself a template
    {Key}       the same with a capital first letter
    {a key}     the same with "a" or "an" in front; {A key} likewise with a capital

Templates are parsed once and cached.  Everything random comes from the `random.Random`
that the caller hands in, so a seed fixes the whole data set.

    Env          slots plus the generator's random source
    Env.say      expand a template
    hold_out     which alternatives belong to the test split
"""

import random
import re
import zlib

VOWEL_SOUND = re.compile(r"^(?:[aeio]|u(?!n[aei]|s[aeiu]|k)|hour|honest|heir|8|11(?!\d)|18(?!\d))", re.I)
CACHE = {}


def parse(text):
    """Template -> list of parts: str | ("slot", article, key, capital) | ("alt", [list, ...])."""
    parts, pos = parse_sequence(text, 0, "")
    if pos != len(text):
        raise ValueError("unbalanced ] or | in template: " + text)
    return parts


def parse_sequence(text, pos, stop):
    parts, plain = [], []
    while pos < len(text):
        c = text[pos]
        if c in stop:
            break
        if c == "[":
            branches, pos = [], pos + 1
            while True:
                branch, pos = parse_sequence(text, pos, "|]")
                branches.append(branch)
                if pos >= len(text):
                    raise ValueError("[ without ] in template: " + text)
                pos += 1
                if text[pos - 1] == "]":
                    break
            if plain:
                parts.append("".join(plain))
                plain = []
            parts.append(("alt", branches))
        elif c == "{":
            end = text.index("}", pos)
            name = text[pos + 1:end]
            article = ""
            if name[:2] in ("a ", "A "):
                article, name = name[0], name[2:]
            if plain:
                parts.append("".join(plain))
                plain = []
            parts.append(("slot", article, name[0].lower() + name[1:], name[0].isupper()))
            pos = end + 1
        else:
            plain.append(c)
            pos += 1
    if plain:
        parts.append("".join(plain))
    return parts, pos


def with_article(noun, capital=False):
    article = "an " if VOWEL_SOUND.match(noun) else "a "
    return (article.capitalize() if capital else article) + noun


def capitalise(text):
    return text[:1].upper() + text[1:]


def count_ways(parts):
    """How many strings a parsed template stands for, slots counted as one (for reports)."""
    n = 1
    for p in parts:
        if isinstance(p, tuple) and p[0] == "alt":
            n *= sum(count_ways(b) for b in p[1])
    return n


class Env(dict):
    """Slots of one text under construction, and the random source that builds it."""

    def __init__(self, rng, *dicts, **slots):
        super().__init__()
        self.rng = rng
        for d in dicts:
            self.update(d)
        self.update(slots)

    def pick(self, items):
        return items[int(self.rng.random() * len(items))]

    def lean(self, items):
        """Like pick, but earlier items come more often: the most likely text is then likely by
        a margin, and greedy decoding does not hang on the last bit of a sum."""
        return items[int(self.rng.random() ** 1.5 * len(items))]

    def say(self, template):
        parts = CACHE.get(template)
        if parts is None:
            parts = CACHE[template] = parse(template)
        return self.render(parts)

    def render(self, parts):
        out = []
        for p in parts:
            if isinstance(p, str):
                out.append(p)
            elif p[0] == "alt":
                out.append(self.render(self.lean(p[1])))
            else:
                text = str(self[p[2]])
                if "[" in text or "{" in text:
                    text = self.say(text)
                if p[1]:
                    text = with_article(text, p[1] == "A")
                out.append(capitalise(text) if p[3] else text)
        return "".join(out)


def one_of(rng, items):
    return items[int(rng.random() * len(items))]


def some_of(rng, items, n):
    return rng.sample(list(items), n)


def join_list(items, word="and"):
    items = list(items)
    if len(items) <= 1:
        return "".join(items)
    if len(items) == 2:
        return items[0] + " " + word + " " + items[1]
    return ", ".join(items[:-1]) + " " + word + " " + items[-1]


def bucket(key, n):
    """A stable number in [0, n) for a key: the same in every run and on every machine."""
    return zlib.crc32(str(key).encode()) % n


def hold_out(items, split, every=6, salt=""):
    """The items of one split: about one in `every` is for "test", the rest for "train"."""
    items = list(items)
    test = [x for x in items if bucket(salt + str(x), every) == 0]
    if split == "test":
        return test or items[-1:]
    return [x for x in items if bucket(salt + str(x), every) != 0] or items


def sentences(*texts):
    return " ".join(t for t in texts if t)


def roughen(text, rng):
    """A user's prompt as people really type it: sometimes lower case, no full stop."""
    r = rng.random()
    if r < 0.10:
        text = text.lower()
    elif r < 0.16:
        text = text.rstrip(".?!")
    elif r < 0.24:
        text = text.rstrip(".?!").lower()
    elif r < 0.27 and text[-1:] == "?":
        text = text[:-1].rstrip() + "."
    return text


class Chat:
    """One conversation: messages in the order of the template, and optional tools."""

    def __init__(self, kind, system=None, tools=None):
        self.kind = kind
        self.messages = []
        self.tools = tools
        if system:
            self.messages.append({"role": "system", "content": system})

    def user(self, text):
        self.messages.append({"role": "user", "content": text})
        return self

    def bot(self, text, **extra):
        self.messages.append(dict({"role": "assistant", "content": text}, **extra))
        return self

    def call(self, *calls):
        """An assistant turn that calls tools; each call is (name, arguments)."""
        self.messages.append({"role": "assistant", "content": "", "tool_calls": [
            {"type": "function", "function": {"name": n, "arguments": a}} for n, a in calls]})
        return self

    def tool(self, text):
        self.messages.append({"role": "tool", "content": text})
        return self

    def record(self):
        out = {"kind": self.kind, "messages": self.messages}
        if self.tools:
            out["tools"] = self.tools
        return out


def new_rng(seed, *salt):
    return random.Random(str((seed,) + salt))
