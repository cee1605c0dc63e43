"""Stories on demand: a prompt, and the story that answers exactly that prompt.

A story is a hero, a helper, a home and a plot (plots.py, plots_more.py).  The prompt shows
some of these - who, what went wrong, a name, a place, a theme - and the story keeps to what
the prompt said.  Every story knows its own facts, so that follow-up questions ("Who helped
the fox?") have true answers.

    make(rng, split)        -> Chat: prompt, story, sometimes questions about it
    plain(rng)              -> the text of a story alone, for the language phase
"""

import json
import re

import plots_more  # noqa: F401  (adds its plots to PLOTS)
import words
from grammar import Chat, Env, bucket, capitalise, hold_out, join_list, one_of, roughen, with_article
from plots import PLOTS

OPENINGS = [
    "Once upon a time there was {hfull} who lived {home}.",
    "Once upon a time, {home}, there lived {hfull}.",
    "There was once {hfull} who lived {home}.",
    "Long ago there lived {hfull}. {His} home was {home}.",
    "{Home} there lived {hfull}.",
    "{Hfull} lived {home}.",
    "In a time when wishes still helped, {hfull} lived {home}.",
    "This is the story of {hfull} who lived {home}.",
    "Not very long ago, and not very far away, {hfull} lived {home}.",
]
CHARACTER = [
    "", "", "Everybody knew {him} and liked {him}.", "{H} was {trait} and {trait2}.",
    "Every morning {h} opened the window and greeted the day.",
    "{H} liked {food}, warm evenings and good stories.", "{H} was {trait}, and sometimes a little {trait2}.",
    "{H} had a [small|round|bright] [lamp|table|window] and a big heart.", "All the neighbours said that {h} was very {trait}.",
]
FRIENDS = [
    "{His} best friend was {gfull}.", "Next door lived {gfull}, {his} best friend.",
    "{He} had one good friend, {gfull}.", "{Gfull} lived not far away, and the two were friends.",
]
MEET = [
    "Just then {ag} came along the path. \"What is the matter?\" asked {g}.",
    "{Ag} was sitting on a stone nearby. \"Why do you look so sad?\" asked {g}.",
    "Then {he} met {ag}. \"You look as if you need help,\" said {g}.",
    "\"What is wrong?\" asked a voice. It was {ag}.",
    "At that moment {ag} came by and stopped. \"Can I help you?\" asked {g}.",
    "{Ag} had seen it all and came closer. \"Tell me what is wrong,\" said {g}.",
]
ENDINGS = ["", "", "", " The end.", " And that is the end of the story."]

PROMPTS = """Tell me a story about {np} who {ask}.
Tell me a story about {np} who {ask}
Tell me a short story about {np} who {ask}.
Tell me a story of {np} who {ask}.
Write a story about {np} who {ask}.
Write a short story about {np} who {ask}.
Write me a story about {np} who {ask}, please.
Write a little tale about {np} that {ask}.
Please tell me a story about {np} who {ask}.
Can you tell me a story about {np} who {ask}?
Could you tell a story about {np} who {ask}?
Could you write a short story about {np} that {ask}?
I would like a story about {np} who {ask}.
I'd like to hear a story about {np} who {ask}.
I want a bedtime story about {np} who {ask}.
Tell a bedtime story about {np} who {ask}.
Make up a story about {np} who {ask}.
Invent a story in which {np} {ask}.
Tell me a tale in which {np} {ask}.
Do you know a story about {np} who {ask}?
A story about {np} who {ask}, please.
Story about {np} who {ask}.
Give me a short story about {np} who {ask}.
My daughter wants a story about {np} who {ask}.
My son would like to hear about {np} who {ask}. Can you tell him a story?
Let's hear a story about {np} who {ask}!
Please write a fairy tale about {np} who {ask}.
Tell me something about {np} who {ask}. Make it a story.
Write a children's story about {np} who {ask}.
Compose a short tale: {np} {ask}.
Write a story for children. {Np} {ask}.
Hi! Please tell me a nice story about {np} who {ask}.
Tell us a story about {np} who {ask}.
Write a story of about 150 words about {np} who {ask}.
Can I have a story about {np} who {ask}?
How about a story about {np} who {ask}?
I need a story about {np} who {ask}.
Start with once upon a time and tell me about {np} who {ask}.""".split("\n")

PROMPTS_PLAIN = """Tell me a story about {np}.
Tell me a story about {np}
Tell me a short story about {np}.
Write a story about {np}.
Write a short story about {np}.
Please tell me a story about {np}.
Can you tell me a story about {np}?
Could you write a story about {np}?
I would like to hear a story about {np}.
Make up a story about {np}.
A story about {np}, please.
Story about {np}.
Tell me a bedtime story about {np}.
Do you know a story about {np}?
Tell my children a story about {np}.
I want to hear about {np}. Tell me a story.
Write a fairy tale about {np}.
Give me a story with {np} in it.
Invent a story about {np}.
Could I hear a tale about {np}?
Please write a little tale about {np}.""".split("\n")

PROMPTS_FREE = """Tell me a story.
Tell me a story
Tell me a short story.
Can you tell me a story?
Write a short story.
Please tell me a bedtime story.
Make up a story for me.
I would like to hear a story.
Tell me a nice story, please.
Do you know any stories?
I'm bored. Tell me a story.
Tell a story for children.
Write me a fairy tale.
Could you tell me something nice? A story perhaps?
A story, please.
Tell me a tale.""".split("\n")

PROMPTS_THEME = """Tell me a story about {theme}.
Write a short story about {theme}.
Can you tell me a story about {theme}?
I would like a story about {theme}.
Make up a story whose moral is {theme}.
Write a story for children about {theme}.
Do you know a story about {theme}?
Tell me a story that teaches {theme}.
Please write a tale about {theme}.""".split("\n")

PROMPTS_TWO = """Tell me a story about {np} and {np2}.
Write a story about {np} and {np2}.
Can you tell me a story about {np} and {np2}?
Write a short story about {np} who meets {np2}.
Tell me a tale of {np} and {np2}.
I'd like a story with {np} and {np2}.
Please tell me a story in which {np} meets {np2}.
Make up a story about the friendship between {np} and {np2}.
A story about {np} and {np2}, please.""".split("\n")

AGAIN = """Tell me another one.|Another story, please!|One more, please.|Can I hear another one?|More!|
Tell me one about {np}.|Now one about {np}, please.|Now tell me a story about {np} who {ask}.|
Thank you! And now one about {np} who {ask}.|That was nice. Can you tell one about {np}?""".replace("\n", "").split("|")

THANKS = [("Thank you, that was lovely.", "You are welcome! I am glad that you liked the story."),
          ("Nice story!", "Thank you! Would you like to hear another one?"),
          ("Thanks!", "You are welcome!"), ("I liked it.", "I am glad to hear that. Shall I tell another one?"),
          ("That was beautiful.", "Thank you. It was a pleasure to tell it."),
          ("I did not like it.", "I am sorry. Tell me what it should be about, and I will try another one.")]


def draw_character(env, rng, used=()):
    """(kind, gender, home, food): an animal, a person or a thing."""
    while True:
        r = rng.random()
        if r < 0.50:
            kind = one_of(rng, ANIMAL_LIST)
            gender = one_of(rng, "mmff" + ("n" if rng.random() < 0.2 else "m"))
            home, food = words.ANIMALS[kind]
        elif r < 0.78:
            kind = one_of(rng, PEOPLE_LIST)
            gender, home = words.PEOPLE[kind]
            gender = gender or one_of(rng, "mf")
            food = usual_food(rng, kind)
        else:
            kind = one_of(rng, THING_LIST) if r < 0.88 else one_of(rng, words.NOUNS)
            gender = one_of(rng, "mnf")
            home, food = words.THINGS.get(kind) or one_of(rng, words.PLACES), usual_food(rng, kind)
        if kind not in used:
            return kind, gender, home, food


TOPICS = [("the sea", "in a hut by the sea"), ("winter", "in a land where the winters were long"), ("summer", "in a village where the summer smelled of hay"), ("a castle", "in an old castle"), ("the forest", "in a big green forest"),
          ("space", "on a small planet far away"), ("the desert", "at the edge of the desert"), ("a farm", "on a farm with a red roof"), ("the mountains", "high in the mountains"), ("a big city", "in the middle of a big city"),
          ("an island", "on a lonely island"), ("school", "next door to a school"), ("Christmas", "in a village covered with snow, shortly before Christmas"), ("the rain", "in a town where it rained every day"), ("a garden", "in an old garden"),
          ("the night", "in a quiet house where one could see all the stars"), ("the moon", "in a tower from which one could see the moon"), ("a rainy day", "in a house with a tin roof, where the rain drummed"), ("a train", "in an old railway station"),
          ("a ship", "on a ship with white sails"), ("the river", "on the bank of a wide river"), ("autumn", "in a valley full of red and yellow leaves"), ("spring", "in a valley where the first flowers came out"), ("a lighthouse", "in a lighthouse"),
          ("a market", "near the market"), ("snow", "in a land full of snow"), ("a holiday", "in a little house by the lake"), ("a zoo", "in a zoo"), ("a circus", "in a circus wagon"), ("a library", "in a room behind a library")]
# whom a hero meets more often than others: one of these, fixed for each kind of hero
USUAL_HELPERS = [("owl", "f"), ("badger", "m"), ("hedgehog", "m"), ("tortoise", "f"), ("raven", "m"), ("mouse", "f"), ("old woman", "f"), ("shepherd", "m"), ("robin", "f"), ("squirrel", "f"),
                 ("beaver", "m"), ("donkey", "m"), ("clockmaker", "m"), ("otter", "m"), ("fairy", "f"), ("sparrow", "f"), ("goat", "f"), ("lighthouse keeper", "m"), ("crow", "f"), ("dwarf", "m")]
ANIMAL_LIST = list(words.ANIMALS)
PEOPLE_LIST = list(words.PEOPLE) + ["girl", "boy"]
THING_LIST = list(words.THINGS)


def usual_food(rng, kind):
    return words.FOODS[bucket(kind, len(words.FOODS))] if rng.random() < 0.5 else one_of(rng, words.FOODS)


def name_for(rng, gender):
    return words.girl(rng) if gender == "f" else words.boy(rng)


class Story:
    """One drawn story: its slots, its plot, and what of it a prompt may mention."""

    def __init__(self, rng, plot=None, kind=None):
        self.rng = rng
        env = self.env = Env(rng)
        self.plot = plot or one_of(rng, PLOTS)
        hero, gender, home, food = draw_character(env, rng)
        env.update(words.PRONOUNS[gender])
        self.gender = gender
        env.update(hero=hero, home=home, food=food)
        self.trait = one_of(rng, words.TRAITS_ANY if rng.random() < 0.8 else words.ADJECTIVES) if rng.random() < 0.4 else ""
        if " " in hero and hero.split()[0] in ("little", "old", "polar", "guinea"):
            self.trait = ""
        self.name = self.draw_name(hero) if rng.random() < 0.45 else ""
        env["trait"], env["trait2"] = rng.sample(words.TRAITS_GOOD, 2)
        if rng.random() < 0.5:
            i = bucket(hero, len(words.TRAITS_GOOD) - 1)
            env["trait"], env["trait2"] = words.TRAITS_GOOD[i:i + 2]
        if self.trait in words.TRAITS_GOOD:
            env["trait"] = self.trait
        env["hfull"] = with_article(" ".join(x for x in (self.trait, hero) if x))
        if self.name:
            env["hfull"] += " " + one_of(rng, ["named", "called", "named"]) + " " + self.name
            env["h"] = one_of(rng, [self.name, "[%s|%s|the %s]" % (self.name, self.name, hero)])
            env["thehero"] = one_of(rng, [self.name, "the " + hero])
        else:
            env["h"] = "the " + hero
            env["thehero"] = "the " + hero
        self.draw_helper(hero)
        self.draw_object()
        for table in self.plot["choices"]:
            fits = [c for c in table if not c.get("only") or self.obj_kind in c["only"].split()]
            env.update(env.lean(fits))
        env["meet"] = env.lean(MEET)
        env["their"] = "their"
        env["ohis"] = "her" if env.get("ohe") == "she" else "his"
        for key in ("obj", "hero", "skill", "goal", "item", "pet", "ajob"):
            env["t" + key] = str(env.get(key, "")).title()

    def draw_name(self, hero):
        """Each kind of hero has a usual name of either gender, which comes more often."""
        usual = words.GIRLS if self.gender == "f" else words.BOYS
        return usual[bucket(hero, len(usual))] if self.rng.random() < 0.3 else name_for(self.rng, self.gender)

    def draw_helper(self, hero):
        rng, env = self.rng, self.env
        kind, gender, _, _ = draw_character(env, rng, used=(hero,))
        usual = USUAL_HELPERS[bucket(hero, len(USUAL_HELPERS))]
        if rng.random() < 0.4 and usual[0] != hero:
            kind, gender = usual
        p = words.PRONOUNS[gender]
        env.update(ghe=p["he"], ghim=p["him"], ghis=p["his"])
        adj = env.lean(["old", "", "wise old", "small", "kind", "friendly", "big", "young", "clever"])
        if kind.split()[0] in ("little", "old", "polar", "guinea", "teddy", "toy"):
            adj = ""
        self.helper = kind
        env["gfull"] = with_article((adj + " " + kind).strip())
        env["ag"] = env["gfull"]
        env["g"] = "the " + kind
        self.sibling = ""
        if hero in ("girl", "boy", "little girl", "little boy") and rng.random() < 0.35:
            self.draw_sibling(rng, env, hero)
            return
        if rng.random() < 0.15:
            name = name_for(rng, gender)
            env["gfull"] += " called " + name
            env["ag"] = env["gfull"]
            env["g"] = one_of(rng, [name, "[the %s|%s]" % (kind, name)])

    def draw_sibling(self, rng, env, hero):
        """Two sisters, two brothers, a brother and a sister, two friends: the helper is the other one."""
        gender = one_of(rng, [self.gender, self.gender, "m", "f"])
        p, name = words.PRONOUNS[gender], name_for(rng, gender)
        kin = one_of(rng, ["sister" if gender == "f" else "brother"] * 3 + ["friend"])
        env.update(ghe=p["he"], ghim=p["him"], ghis=p["his"], gfull="{his} %s %s" % (kin, name), ag="{his} %s %s" % (kin, name), g=name)
        self.helper = kin
        mine = "sister" if self.gender == "f" else "brother"
        self.sibling = "two friends" if kin == "friend" else "two %ss" % mine if gender == self.gender else "a brother and a sister"
        if self.name and rng.random() < 0.5:
            self.sibling += one_of(rng, [", %s and %s", " called %s and %s", " named %s and %s"]) % (self.name, name)

    def place_prompt(self):
        """A prompt that names the place; the story then happens there."""
        rng, env = self.rng, self.env
        if rng.random() < 0.5:
            topic, home = one_of(rng, TOPICS)
            env["home"], env["np"] = home, topic
            return one_of(rng, SPLIT["train"]["plain"])
        place = one_of(rng, words.PLACES)
        env["home"] = place
        env["np"] = env["np"] + " " + place
        return one_of(rng, SPLIT["train"]["plain"])

    def draw_object(self):
        rng, env = self.rng, self.env
        if self.plot["needs"] == "fragile":
            obj, plural, self.obj_kind = one_of(rng, words.FRAGILE), False, "tool"
        else:
            obj, plural, self.obj_kind = one_of(rng, words.OBJECTS)
            if rng.random() < 0.3:
                obj, plural, self.obj_kind = one_of(rng, words.NOUNS), False, "tool"
        env["obj"] = obj
        env["oadj"] = env.lean(words.COLOURS + ["new", "old", "little", "favourite", "warm", "shiny", "magic", "golden", "tiny", "heavy", "lucky", one_of(rng, words.ADJECTIVES)])
        if env["oadj"] == "warm" and self.obj_kind != "wear":
            env["oadj"] = "pretty"
        env["aobj"] = ("a pair of " + obj if obj in ("glasses", "mittens", "boots", "gloves", "shoes", "slippers", "earrings",
                       "scissors", "skates") else "some " + obj) if plural else with_article(
                           env["oadj"] + " " + obj if env["oadj"] != "favourite" and rng.random() < 0.5 else obj)
        env.update(oit="them" if plural else "it", owas="were" if plural else "was",
                   othey="they" if plural else "it", ois="are" if plural else "is")

    def tell(self):
        """The story's text: paragraphs of one or two beats."""
        env, rng = self.env, self.rng
        beats = [env.say(env.lean(OPENINGS)) + " " + env.say(env.lean(CHARACTER))]
        steps = self.plot["beats"]
        if not any("{meet}" in b or "{ag}" in b.lower() for b in steps) and "best friend" not in steps[0]:
            beats[0] = beats[0].strip() + " " + env.say(env.lean(FRIENDS))
        beats += [env.say(b) for b in steps]
        last = env.say(env.lean(self.plot["lesson"])).strip()
        if last[-1] == '"':
            last = last[:-1] + ("" if last[-2] in ".!?" else ".") + '"'
        elif last[-1] not in ".!?":
            last += "."
        beats.append(last + one_of(rng, ENDINGS))
        groups, i = [], 0
        while i < len(beats):
            n = one_of(rng, [2, 2, 3]) if self.paragraphs else len(beats)
            groups.append(" ".join(x.strip() for x in beats[i:i + n]))
            i += n
        return tidy("\n\n".join(groups))

    paragraphs = True

    # ---- what the prompt says ----------------------------------------------------------

    def noun_phrase(self):
        """The hero as the user names it; the story's own words agree with it."""
        rng, env = self.rng, self.env
        hero = env["hero"]
        forms = [with_article(hero)] * 3
        if self.trait:
            forms += [with_article(self.trait + " " + hero)] * 6
        if self.name:
            forms += [with_article(hero) + " named " + self.name] * 6
            forms += [with_article(hero) + " called " + self.name] * 2
            forms += [self.name + " the " + hero] * 2
            if self.trait:
                forms += [with_article(self.trait + " " + hero) + " named " + self.name] * 4
            if hero in ("girl", "boy"):
                forms += [self.name] * 3
        return one_of(rng, forms)

    def ask_clause(self):
        return self.env.say(one_of(self.rng, self.plot["asks"]))

    def prompt(self, split):
        rng, env = self.rng, self.env
        np = self.noun_phrase()
        env["np"] = np
        r = rng.random()
        if self.sibling and r < 0.7:
            env["np"] = self.sibling
            text = one_of(rng, SPLIT[split]["plain"])
        elif r < 0.62:
            env["ask"] = self.ask_clause()
            text = one_of(rng, SPLIT[split]["ask"])
        elif r < 0.79:
            text = one_of(rng, SPLIT[split]["plain"])
        elif r < 0.87:
            env["np2"] = with_article(self.helper)
            text = one_of(rng, SPLIT[split]["two"])
        elif r < 0.93:
            text = self.place_prompt()
        elif r < 0.97:
            env["theme"] = one_of(rng, self.plot["moral"])
            text = one_of(rng, SPLIT[split]["theme"])
        else:
            text = one_of(rng, PROMPTS_FREE)
        return env.say(text)


SPLIT = {s: {"ask": hold_out(PROMPTS, s), "plain": hold_out(PROMPTS_PLAIN, s), "two": hold_out(PROMPTS_TWO, s),
             "theme": hold_out(PROMPTS_THEME, s)} for s in ("train", "test")}


def tidy(text):
    text = re.sub(r" +", " ", text)
    text = re.sub(r" ([.,!?])", r"\1", text)
    text = re.sub(r"(?<!\.)\.\.(?!\.)", ".", text)
    text = re.sub(r"([?!])[.,](?=\")", r"\1", text)
    text = re.sub(r"([?!.]\")\.", r"\1", text)
    text = re.sub(r" \"( |$)", r'" ', text).rstrip() if '. " ' in text or text.endswith(' "') else text
    return capitalise(text)


def unseen(story):
    """Combinations of hero and plot that only the test split sees."""
    return bucket(story.env["hero"] + "/" + story.plot["name"], 12) == 0


def draw(rng, split, **how):
    while True:
        story = Story(rng, **how)
        if unseen(story) == (split == "test"):
            return story


def make(rng, split, system=None):
    chat = Chat("story", system)
    story = draw(rng, split)
    story.paragraphs = rng.random() < 0.8
    prompt = story.prompt(split)
    text = story.tell()
    if split == "train" and rng.random() < 0.03:
        title = tidy(story.env.say(story.env.lean(story.plot["title"])))
        form = one_of(rng, [["title", "story"], ["story"], ["title", "text"], ["story", "moral"], ["title", "story", "moral"], ["text"]])
        data = {"title": title, "story": text, "text": text, "moral": story.plot["moral"][0]}
        return chat.user(prompt + " " + one_of(rng, ["Answer as JSON with %s.", "As JSON with the keys %s.", "Return JSON with %s."]) % join_list(form)).bot(
            json.dumps({k: data[k] for k in form}, ensure_ascii=False))
    chat.user(roughen(prompt, rng) if split == "train" else prompt).bot(text)
    r = rng.random()
    if split == "test" or r < 0.55:
        return chat
    if r < 0.80:
        asked = rng.sample(story.plot["qa"], rng.randint(1, len(story.plot["qa"])))
        for q, a in asked:
            chat.user(roughen(capitalise(tidy(story.env.say(q))), rng)).bot(capitalise(tidy(story.env.say(a))))
        if rng.random() < 0.3:
            chat.user(one_of(rng, ["What is the moral of the story?", "What does the story teach?", "And the moral?"]))
            chat.bot(capitalise(one_of(rng, ["The story is about %s.", "It teaches %s.", "The moral is about %s."])
                                % story.plot["moral"][0]))
        if rng.random() < 0.3:
            chat.user(one_of(rng, ["Give the story a title.", "What is a good title for it?", "What would you call this story?"]))
            chat.bot("\"" + tidy(story.env.say(one_of(rng, story.plot["title"]))) + "\"")
    elif r < 0.92:
        second = draw(rng, split)
        env = second.env
        env["np"] = second.noun_phrase()
        env["ask"] = second.ask_clause()
        chat.user(roughen(env.say(one_of(rng, AGAIN)), rng)).bot(second.tell())
    else:
        q, a = one_of(rng, THANKS)
        chat.user(roughen(q, rng)).bot(a)
    return chat


def plain(rng):
    story = draw(rng, "train")
    return story.tell()
