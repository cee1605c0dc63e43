"""Following an instruction about the form of the answer.

One word, yes or no, a choice between given options, a list of so many things, upper case,
sorting, repeating, naming the odd one out, judging a short review.  Answers are exact, so
the evaluation can count them.
"""

import knowledge
import words
from grammar import Chat, Env, capitalise, hold_out, join_list, one_of, roughen, some_of, with_article

ONE_WORD = ["Answer in one word: {q}", "{q} Answer in one word.", "{q} One word, please.", "In one word: {q}", "{q} Answer with one word only.", "{q} Just one word.", "{q} Reply with a single word.",
            "Answer with a single word. {q}", "One word answer: {q}", "{q} (one word)", "Please answer in one word. {q}", "Use only one word. {q}", "{q} Give a one-word answer.", "Tell me in one word: {q}",
            "{q} Only one word!", "Give me one word only. {q}"]
SYSTEM_ONE_WORD = ["Answer in one word.", "Answer every question with one word.", "You answer with a single word.", "Reply with one word only."]
YES_NO = ["Answer yes or no: {q}", "{q} Yes or no?", "{q} Answer yes or no.", "Yes or no: {q}", "{q} Just say yes or no.", "{q} Answer only with yes or no.", "Please answer with yes or no. {q}"]
GROUPS = {
    "fruit": "apple pear banana orange plum cherry grape lemon peach mango strawberry melon kiwi fig pineapple apricot".split(),
    "vegetable": "carrot potato onion cabbage pea bean spinach leek pumpkin radish turnip beetroot cucumber broccoli celery lettuce".split(),
    "animal": "dog cat horse cow sheep lion tiger bear fox wolf rabbit elephant monkey goat deer mouse".split(),
    "bird": "owl eagle sparrow robin crow duck swan goose pigeon parrot heron stork penguin seagull".split(),
    "colour": "red blue green yellow orange purple pink brown black white grey".split(),
    "tool": "hammer saw drill screwdriver pliers axe spade rake chisel file".split(),
    "country": "France Germany Italy Spain Japan China India Brazil Canada Egypt Kenya Norway Sweden Poland Peru Chile".split(),
    "city": "Paris London Rome Berlin Madrid Tokyo Vienna Oslo Cairo Lisbon Dublin Athens Prague Warsaw".split(),
    "instrument": "piano violin guitar flute drum trumpet harp cello clarinet organ".split(),
    "piece of clothing": "shirt coat hat scarf sock glove dress sweater jacket shoe skirt".split(),
    "piece of furniture": "table chair bed sofa shelf desk cupboard bench wardrobe stool".split(),
    "vehicle": "car bus train bicycle ship tram lorry plane tractor boat motorcycle".split(),
    "drink": "water milk tea coffee juice lemonade cocoa wine beer".split(),
    "month": words.MONTHS, "day of the week": words.DAYS,
    "season": words.SEASONS, "planet": "Mercury Venus Earth Mars Jupiter Saturn Uranus Neptune".split(),
    "sport": "football tennis swimming skiing boxing rowing golf cricket rugby hockey".split(),
    "flower": "rose tulip daisy lily violet sunflower daffodil poppy orchid".split(),
    "tree": "oak pine birch maple willow beech elm chestnut fir".split(),
    "insect": "ant bee fly beetle butterfly wasp cricket moth ladybird".split(),
    "fish": "salmon trout herring tuna cod carp shark eel".split(),
    "metal": "gold silver iron copper tin lead zinc".split(),
    "job": "teacher nurse baker farmer pilot doctor cook sailor carpenter".split(),
    "language": "English French German Spanish Italian Japanese Greek Russian Swedish Polish".split(),
}
PLURAL = {"country": "countries", "city": "cities", "piece of clothing": "pieces of clothing", "piece of furniture": "pieces of furniture", "day of the week": "days of the week", "fish": "fish", "fruit": "fruits"}

TRUE_THINGS = [("fire", "hot"), ("ice", "cold"), ("snow", "white"), ("a lemon", "sour"), ("sugar", "sweet"), ("a stone", "hard"), ("a feather", "light"), ("an elephant", "heavy"), ("a snail", "slow"),
               ("a cheetah", "fast"), ("the sun", "hot"), ("water", "wet"), ("grass", "green"), ("a mouse", "small"), ("a whale", "big"), ("honey", "sweet"), ("the night", "dark"), ("a knife", "sharp"),
               ("a pillow", "soft"), ("a giraffe", "tall"), ("gold", "expensive"), ("a desert", "dry"), ("iron", "hard"), ("a turtle", "slow"), ("milk", "white"), ("coal", "black"), ("a ball", "round")]
OPPOSITE = {a: b for a, b in knowledge.OPPOSITES}
OPPOSITE.update({b: a for a, b in knowledge.OPPOSITES})
OPPOSITE.update({"white": "black", "sour": "sweet", "sweet": "sour", "round": "square", "green": "red", "light": "heavy", "dark": "bright", "wet": "dry"})
PLAIN_YES_NO = [("Can birds fly?", "Yes"), ("Can fish swim?", "Yes"), ("Can a stone swim?", "No"), ("Do cows eat grass?", "Yes"), ("Is the Earth flat?", "No"), ("Is the moon made of cheese?", "No"), ("Can dogs bark?", "Yes"), ("Can cats fly?", "No"),
                ("Do bees make honey?", "Yes"), ("Is Paris in France?", "Yes"), ("Is Rome in Spain?", "No"), ("Is a tomato blue?", "No"), ("Does a week have seven days?", "Yes"), ("Does a year have ten months?", "No"),
                ("Is Minerva written in C?", "Yes"), ("Does Minerva need Python?", "No"), ("Can Minerva read GGUF files?", "Yes"), ("Can Minerva read MLX models?", "Yes"), ("Is Minerva free?", "Yes"), ("Does Minerva need the internet?", "No"),
                ("Are you a human?", "No"), ("Are you a program?", "Yes"), ("Do penguins live in the desert?", "No"), ("Is a whale a fish?", "No"), ("Is a bat a bird?", "No"), ("Is a spider an insect?", "No"), ("Do snakes have legs?", "No"),
                ("Is summer warmer than winter?", "Yes"), ("Is the sun a star?", "Yes"), ("Is water wet?", "Yes"), ("Does wood float on water?", "Yes"), ("Does iron float on water?", "No"), ("Do trees have leaves?", "Yes"), ("Can a baby drive a car?", "No")]

GOOD = ["I love this {p}.", "The {p} is wonderful.", "Great {p}, I would buy it again.", "This {p} makes me happy every day.", "Excellent {p}, and so quick to arrive.", "The best {p} I ever had.", "The food was delicious and the waiter was kind.",
        "What a beautiful day we had!", "I am very pleased with the {p}.", "The film was funny and touching.", "We enjoyed every minute.", "A lovely hotel with friendly people.", "The {p} works perfectly.", "Very good, I can recommend it."]
BAD = ["I hate this {p}.", "The {p} broke after one day.", "Terrible {p}, I want my money back.", "This {p} is a waste of money.", "The {p} arrived late and damaged.", "The worst {p} I ever had.", "The food was cold and the waiter was rude.",
       "What an awful day we had!", "I am very disappointed with the {p}.", "The film was boring and too long.", "We were glad when it was over.", "A dirty hotel with unfriendly people.", "The {p} does not work at all.", "Very bad, I cannot recommend it."]
SENTIMENT = ["Is this review positive or negative? {t}", "Positive or negative? {t}", "Classify the sentiment as positive or negative: {t}", "{t}\nIs that positive or negative? Answer in one word.", "Does the writer like it? Answer positive or negative.\n{t}",
             "Sentiment of this text (positive/negative): {t}", "Review: {t}\nSentiment:"]
LISTS = ["Name {w} {gs}.", "List {w} {gs}.", "Give me {w} {gs}.", "Tell me {w} {gs}.", "Can you name {w} {gs}?", "Write down {w} {gs}.", "I need {w} {gs}."]
SPLIT = {s: {"one": hold_out(ONE_WORD, s, 6), "yes": hold_out(YES_NO, s, 5), "good": hold_out(GOOD, s, 6), "bad": hold_out(BAD, s, 6), "sent": hold_out(SENTIMENT, s, 6), "yn": hold_out(PLAIN_YES_NO, s, 7)} for s in ("train", "test")}


def plural(group):
    return PLURAL.get(group, group + "s")


def one_word(rng, split):
    """(question, one word)"""
    while True:
        r = rng.random()
        if r < 0.62:
            q, _, short = knowledge.fact_pair(rng, "train")
            if short is None or " " in short:
                continue
            return q, capitalise(short)
        if r < 0.8:
            g = one_of(rng, list(GROUPS))
            item = one_of(rng, GROUPS[g])
            return one_of(rng, ["What is %s: %s?", "What kind of thing is %s: %s?"]) % (item if item[0].isupper() else with_article(item), options(rng, g)), capitalise(g.split()[-1] if " " not in g else g)
        g = one_of(rng, list(GROUPS))
        items = some_of(rng, GROUPS[g], 3)
        other = one_of(rng, [x for x in GROUPS if x != g])
        odd = one_of(rng, [x for x in GROUPS[other] if x not in GROUPS[g]])
        row = items + [odd]
        rng.shuffle(row)
        return one_of(rng, ["Which one does not belong: %s?", "Which is the odd one out: %s?"]) % ", ".join(row), capitalise(odd)


def options(rng, right):
    wrong = some_of(rng, [g for g in GROUPS if g != right and " " not in g], rng.randint(1, 3))
    row = [right] + wrong
    rng.shuffle(row)
    return join_list([with_article(x) for x in row], "or")


def yes_no(rng, split):
    r = rng.random()
    if r < 0.3:
        thing, adj = one_of(rng, TRUE_THINGS)
        if rng.random() < 0.5:
            return "Is %s %s?" % (thing, adj), "Yes"
        return "Is %s %s?" % (thing, OPPOSITE.get(adj, "loud")), "No"
    if r < 0.55:
        g = one_of(rng, list(GROUPS))
        item = one_of(rng, GROUPS[g])
        named = item if item[0].isupper() or g in ("colour", "metal", "drink", "sport") else with_article(item)
        if rng.random() < 0.5:
            return "Is %s %s?" % (named, with_article(g)), "Yes"
        other = one_of(rng, [x for x in GROUPS if item not in GROUPS[x] and (x, g) not in (("animal", "bird"), ("animal", "insect"), ("animal", "fish"), ("job", "animal"))])
        return "Is %s %s?" % (named, with_article(other)), "No"
    if r < 0.75:
        a, b = rng.sample(range(1, 100), 2)
        word, truth = one_of(rng, [("larger", a > b), ("smaller", a < b), ("more", a > b), ("less", a < b)])
        return "Is %d %s than %d?" % (a, word, b), "Yes" if truth else "No"
    if r < 0.85:
        country = one_of(rng, list(words.CAPITALS))
        city = words.CAPITALS[country] if rng.random() < 0.5 else one_of(rng, list(words.CAPITALS.values()))
        return "Is %s the capital of %s?" % (city, country), "Yes" if words.CAPITALS[country] == city else "No"
    return one_of(rng, SPLIT[split]["yn"])


def sentiment(rng, split):
    good = rng.random() < 0.5
    text = Env(rng, p=one_of(rng, words.PRODUCTS)).say(one_of(rng, SPLIT[split]["good" if good else "bad"]))
    return Env(rng, t=text).say(one_of(rng, SPLIT[split]["sent"])), "Positive" if good else "Negative"


def lists(rng):
    g = one_of(rng, list(GROUPS))
    n = rng.randint(2, min(5, len(GROUPS[g]) - 1))
    items = some_of(rng, GROUPS[g], n) if rng.random() < 0.3 else GROUPS[g][:n]
    q = Env(rng, w=one_of(rng, [str(n), words.number_word(n)]), gs=plural(g)).say(one_of(rng, LISTS))
    form = rng.random()
    if form < 0.4:
        return q, capitalise(join_list(items)) + "."
    if form < 0.7:
        return q.rstrip(".?") + one_of(rng, [" as a list.", ", one per line.", " as a bulleted list."]), "\n".join("- " + x for x in items)
    if form < 0.85:
        return q.rstrip(".?") + one_of(rng, [" as a numbered list.", ", numbered."]), "\n".join("%d. %s" % (i + 1, x) for i, x in enumerate(items))
    return q.rstrip(".?") + one_of(rng, [", separated by commas.", " with commas, nothing else."]), ", ".join(items)


def texts(rng):
    """Small operations on words: case, order, counting, repeating, choosing."""
    k = rng.randrange(9)
    pool = one_of(rng, list(GROUPS.values()))
    items = some_of(rng, pool, min(len(pool), rng.randint(3, 5)))
    phrase = one_of(rng, ["good morning", "the fox has lost his hat", "I like tea", "we meet at noon", "the sea is blue", "thank you", "see you soon", "a small red boat", "open the window", "the owl is wise"]) \
        if rng.random() < 0.4 else " ".join(some_of(rng, [w for g in GROUPS.values() for w in g], rng.randint(1, 3)))
    if k == 0:
        return one_of(rng, ["Write \"%s\" in capital letters.", "Put this in upper case: %s", "Convert to upper case: %s", "%s - in capitals, please."]) % phrase, phrase.upper()
    if k == 1:
        return one_of(rng, ["Write \"%s\" in small letters.", "Put this in lower case: %s", "Convert to lower case: %s"]) % phrase.upper(), phrase.lower()
    if k == 2:
        return one_of(rng, ["Repeat after me: %s", "Say \"%s\".", "Repeat: %s", "Please say exactly this: %s", "Write this and nothing else: %s", "Reply with: %s"]) % phrase, phrase
    if k == 3:
        return one_of(rng, ["Sort these words: %s", "Put in alphabetical order: %s", "Sort alphabetically: %s"]) % ", ".join(items), ", ".join(sorted(items, key=str.lower))
    if k == 4:
        return one_of(rng, ["How many items are in this list: %s?", "Count these words: %s", "How many words are there: %s?"]) % ", ".join(items), str(len(items))
    if k == 5:
        return one_of(rng, ["What is the first word of this list: %s?", "Which comes first: %s?", "The first of these, please: %s"]) % ", ".join(items), items[0]
    if k == 6:
        return one_of(rng, ["What is the last word of this list: %s?", "Which comes last: %s?", "The last of these, please: %s"]) % ", ".join(items), items[-1]
    if k == 7:
        return one_of(rng, ["Put these in reverse order: %s", "Reverse this list: %s"]) % ", ".join(items), ", ".join(reversed(items))
    return one_of(rng, ["Choose one: %s", "Pick one of these: %s", "Which would you take: %s?"]) % ", ".join(items), items[0]


def make(rng, split, system=None):
    if split == "test":
        q, a = one_word(rng, split)
        return Chat("one word").user(Env(rng, q=q).say(one_of(rng, SPLIT[split]["one"]))).bot(a)
    in_system = rng.random() < 0.12
    chat = Chat("follow", one_of(rng, SYSTEM_ONE_WORD) if in_system else system)
    for _ in range(rng.choice([1, 1, 2, 2, 3])):
        r = rng.random()
        if r < 0.38 or in_system:
            q, a = one_word(rng, split)
            q = q if in_system else Env(rng, q=q).say(one_of(rng, SPLIT[split]["one"]))
        elif r < 0.58:
            q, a = yes_no(rng, split)
            if rng.random() < 0.8:
                q = Env(rng, q=q).say(one_of(rng, SPLIT[split]["yes"]))
            else:
                a += "."
        elif r < 0.68:
            q, a = sentiment(rng, split)
        elif r < 0.84:
            q, a = lists(rng)
        else:
            q, a = texts(rng)
            chat.user(q).bot(a)
            continue
        chat.user(roughen(q, rng)).bot(a)
    return chat
