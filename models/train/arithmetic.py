"""Small sums in many wordings: plus, minus, times, divided by; word problems; comparisons.

The answer always shows the sum ("47 + 38 = 85."), unless the user asks for the number only.
One unordered pair of two-digit numbers in ten is never seen in training; the evaluation asks
for the sums of exactly those pairs.
"""

import words
from grammar import Chat, Env, bucket, capitalise, hold_out, one_of, roughen

ASK = {
    "+": ["What is {a} + {b}?", "What's {a} + {b}?", "{a} + {b}", "{a}+{b}", "{a} + {b} = ?", "{a} plus {b}", "What is {a} plus {b}?", "How much is {a} plus {b}?", "Add {a} and {b}.",
          "Calculate {a} + {b}.", "What is the sum of {a} and {b}?", "Compute {a} + {b}.", "How much is {a} and {b}?", "What do you get when you add {a} and {b}?",
          "Please add {a} and {b}.", "Can you add {a} and {b}?", "Tell me what {a} + {b} is.", "If I add {a} to {b}, what do I get?", "{a} and {b} make how much?", "Sum: {a}, {b}",
          "Solve {a} + {b}", "What does {a} + {b} equal?", "I need the sum of {a} and {b}.", "{a} + {b}?", "What is {a}+{b}?", "what's {a}+{b}"],
    "-": ["What is {a} - {b}?", "What's {a} - {b}?", "{a} - {b}", "{a}-{b}", "{a} - {b} = ?", "{a} minus {b}", "What is {a} minus {b}?", "How much is {a} minus {b}?", "Subtract {b} from {a}.",
          "Calculate {a} - {b}.", "What is the difference between {a} and {b}?", "Compute {a} - {b}.", "Take {b} away from {a}.", "What is left of {a} when I take away {b}?", "What is {a}-{b}?"],
    "*": ["What is {a} * {b}?", "What is {a} x {b}?", "{a} * {b}", "{a} x {b}", "{a} times {b}", "What is {a} times {b}?", "How much is {a} times {b}?", "Multiply {a} by {b}.", "Calculate {a} * {b}.",
          "What is the product of {a} and {b}?", "Compute {a} x {b}.", "What is {a} multiplied by {b}?"],
    "/": ["What is {a} / {b}?", "{a} / {b}", "What is {a} divided by {b}?", "How much is {a} divided by {b}?", "Divide {a} by {b}.", "Calculate {a} / {b}.", "{a} divided by {b}", "How often does {b} go into {a}?"],
}
ASKS = {s: {op: hold_out(v, s, 8) for op, v in ASK.items()} for s in ("train", "test")}
ONLY = ["Answer with the number only.", "Only the number, please.", "Just the number.", "Answer with a number.", "Give only the result.", "Number only.", "Reply with the number only."]
SYSTEM_ONLY = ["Answer with the number only.", "You are a calculator. Answer with the number only.", "Reply only with the result."]
SYSTEMS = ["You are a calculator.", "You are a helpful assistant.", "You are a maths teacher.", "You help children with sums."]

# {n} has {a} {things} ...: (text, operation, question, sentence of the answer)
PROBLEMS = [
    ("{N} has {a} {things} and [buys|finds|gets] {b} more.", "+", "How many {things} does {n} have [now|in all|altogether]?", "{N} has {c} {things}."),
    ("There are {a} {things} on the table and {b} in the box.", "+", "How many {things} are there [in all|altogether|in total]?", "There are {c} {things}."),
    ("{N} read {a} pages [yesterday|on Monday] and {b} pages [today|on Tuesday].", "+", "How many pages did {n} read [in all|altogether]?", "{N} read {c} pages."),
    ("{N} has {a} {things}, and {m} has {b} {things}.", "+", "How many {things} do they have together?", "Together they have {c} {things}."),
    ("A train has {a} passengers. At the next station {b} more get on.", "+", "How many passengers are there now?", "There are {c} passengers."),
    ("A book costs {a} dollars and a pen costs {b} dollars.", "+", "How much do they cost together?", "Together they cost {c} dollars."),
    ("{N} has {a} {things} and [gives away|loses|sells|eats] {b}.", "-", "How many {things} are left?", "{C} {things} are left."),
    ("There were {a} birds in a tree. {b} flew away.", "-", "How many birds are left?", "{C} birds are left."),
    ("{N} had {a} dollars and spent {b} dollars.", "-", "How much money [is left|does {n} have left]?", "{N} has {c} dollars left."),
    ("A rope is {a} metres long. {N} cuts off {b} metres.", "-", "How long is the rope now?", "The rope is {c} metres long."),
    ("{N} is {a} years old. {M} is {b} years younger.", "-", "How old is {m}?", "{M} is {c} years old."),
    ("There are {a} boxes with {b} {things} in each.", "*", "How many {things} are there [in all|altogether]?", "There are {c} {things}."),
    ("{N} buys {a} {things} for {b} dollars each.", "*", "How much does {n} pay?", "{N} pays {c} dollars."),
    ("{a} {things} are shared equally among {b} children.", "/", "How many {things} does each child get?", "Each child gets {c} {things}."),
    ("{N} packs {a} {things} into {b} bags, the same number in each.", "/", "How many {things} are in each bag?", "There are {c} {things} in each bag."),
]
THINGS = "apples pears marbles books stamps cards eggs coins pencils cookies stickers shells nuts flowers balls toys oranges plums stones buttons".split()
SIGN = {"+": "+", "-": "-", "*": "*", "/": "/"}
NAMES = {"+": "plus", "-": "minus", "*": "times", "/": "divided by"}


def held_pair(a, b):
    return bucket("%d+%d" % (min(a, b), max(a, b)), 10) == 0


def value(op, a, b):
    return {"+": a + b, "-": a - b, "*": a * b, "/": a // max(b, 1)}[op]


def draw(rng, split, op=None):
    """(operation, a, b) with an answer that a child could find."""
    op = op or one_of(rng, "++++++---**/")
    while True:
        if op == "+":
            size = rng.random()
            if split == "test" or size < 0.70:
                a, b = rng.randint(10, 99), rng.randint(10, 99)
            elif size < 0.90:
                a, b = rng.randint(0, 20), rng.randint(0, 99)
                if rng.random() < 0.5:
                    a, b = b, a
            else:
                a, b = rng.randint(100, 999), rng.randint(1, 999)
            if a >= 10 and b >= 10 and a < 100 and b < 100 and held_pair(a, b) != (split == "test"):
                continue
        elif op == "-":
            a = rng.randint(1, 99) if rng.random() < 0.85 else rng.randint(100, 999)
            b = rng.randint(0, a)
            if (bucket("%d-%d" % (a, b), 10) == 0) != (split == "test"):
                continue
        elif op == "*":
            a, b = rng.randint(0, 12), rng.randint(0, 12)
            if rng.random() < 0.15:
                a, b = rng.randint(2, 9), rng.randint(11, 99)
        else:
            b = rng.randint(1, 12)
            a = b * rng.randint(1, 12)
        return op, a, b


def plain(rng, split, op=None):
    """(question, whole answer, number) of a bare sum."""
    op, a, b = draw(rng, split, op)
    c = value(op, a, b)
    if split == "train" and a <= 20 and b <= 20 and 0 <= c <= 100 and rng.random() < 0.25:
        wa, wb, wc = (words.number_word(x) for x in (a, b, c))
        q = one_of(rng, ["What is %s %s %s?", "How much is %s %s %s?", "%s %s %s"]) % (wa, NAMES[op], wb)
        return capitalise(q), capitalise("%s %s %s is %s." % (wa, NAMES[op], wb, wc)), str(c)
    q = Env(rng, a=str(a), b=str(b)).say(one_of(rng, ASKS[split][op]))
    return q, "%d %s %d = %d." % (a, SIGN[op], b, c), str(c)


def problem(rng, split):
    text, op, question, answer = one_of(rng, PROBLEMS)
    op, a, b = draw(rng, split, op)
    if op == "*":
        a, b = max(a, 2), max(b, 2)
    if op in "+-":
        a, b = max(a, 2), max(b, 2)
        if op == "-" and a <= b:
            a, b = b + 3, b
    if op == "/":
        b = max(b, 2)
        a = b * rng.randint(2, 12)
    c = value(op, a, b)
    n, m = rng.sample(words.GIRLS + words.BOYS, 2)
    env = Env(rng, n=n, m=m, a=str(a), b=str(b), c=str(c), things=one_of(rng, THINGS))
    return env.say(text) + " " + env.say(question), "%d %s %d = %d. " % (a, SIGN[op], b, c) + env.say(answer), str(c)


def other(rng):
    """Comparisons, doubles, halves, even and odd, the next number of a row."""
    k = rng.randrange(8)
    a, b = rng.sample(range(1, 100), 2)
    hi, lo = max(a, b), min(a, b)
    if k == 0:
        return one_of(rng, ["Which is larger, %d or %d?", "Which number is bigger, %d or %d?", "Is %d or %d more?", "What is more: %d or %d?"]) % (a, b), "%d is larger than %d." % (hi, lo)
    if k == 1:
        return one_of(rng, ["Which is smaller, %d or %d?", "Which number is less, %d or %d?"]) % (a, b), "%d is smaller than %d." % (lo, hi)
    if k == 2:
        return one_of(rng, ["Is %d even or odd?", "Is the number %d odd or even?"]) % a, "%d is %s." % (a, "odd" if a % 2 else "even")
    if k == 3:
        n = rng.randint(1, 60)
        return one_of(rng, ["What is the double of %d?", "What is twice %d?", "Double %d."]) % n, "2 * %d = %d." % (n, 2 * n)
    if k == 4:
        n = 2 * rng.randint(1, 60)
        return one_of(rng, ["What is half of %d?", "What is the half of %d?", "Halve %d."]) % n, "%d / 2 = %d." % (n, n // 2)
    if k == 5:
        step, start = rng.randint(1, 12), rng.randint(0, 40)
        row = [start + i * step for i in range(5)]
        return one_of(rng, ["What comes next: %s?", "Continue: %s, ...", "What is the next number: %s?"]) % ", ".join(map(str, row[:4])), "The next number is %d." % row[4]
    if k == 6:
        xs = [rng.randint(1, 40) for _ in range(3)]
        return one_of(rng, ["What is %d + %d + %d?", "Add %d, %d and %d.", "%d + %d + %d"]) % tuple(xs), "%d + %d + %d = %d." % (*xs, sum(xs))
    xs = rng.sample(range(1, 100), rng.randint(3, 5))
    word, fn = one_of(rng, [("largest", max), ("smallest", min)])
    return one_of(rng, ["Which is the %s of these numbers: %s?", "What is the %s number of %s?"]) % (word, ", ".join(map(str, xs))), "The %s number is %d." % (word, fn(xs))


def make(rng, split, system=None):
    if split == "test":
        q, a, _ = plain(rng, split, "+")
        return Chat("arithmetic").user(q).bot(a)
    only = rng.random() < 0.15
    in_system = only and rng.random() < 0.5
    if in_system:
        system = one_of(rng, SYSTEM_ONLY)
    elif system is None and rng.random() < 0.1:
        system = one_of(rng, SYSTEMS)
    chat = Chat("arithmetic", system)
    for _ in range(rng.choice([1, 1, 2, 3, 4, 5])):
        r = rng.random()
        number = None
        if r < 0.62 or only:
            q, a, number = plain(rng, split)
        elif r < 0.82:
            q, a, number = problem(rng, split)
        else:
            q, a = other(rng)
        if only and number is not None:
            a = number
            if not in_system:
                q = q + " " + one_of(rng, ONLY) if rng.random() < 0.6 else one_of(rng, ONLY) + " " + q
        chat.user(roughen(q, rng)).bot(a)
    return chat
