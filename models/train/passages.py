"""Questions about a text that stands in the prompt: answers come from the text alone.

A passage describes one invented person, place, thing or event in several sentences; every
sentence answers one or two questions.  Some questions have no answer in the text, and then
the right answer is that the text does not say.
"""

import extract
import words
from grammar import Chat, Env, capitalise, hold_out, one_of, some_of

# subject: slots -> list of (sentences, questions, answer)
SUBJECTS = {
    "person": [
        (["{name} lives in {city}.", "{name} is from {city}.", "The home of {name} is in {city}."], ["Where does {name} live?", "In which city does {name} live?", "What city is {name} from?"], "{Name} lives in {city}."),
        (["{He} is {age} years old.", "Last week {he} turned {age}.", "At the moment {he} is {age}."], ["How old is {name}?", "What is {name}'s age?"], "{Name} is {age} years old."),
        (["{He} works as {a job}.", "By profession {he} is {a job}.", "{He} has been {a job} for years."], ["What does {name} do for a living?", "What is {name}'s job?", "What does {name} work as?"], "{Name} works as {a job}."),
        (["In {his} free time {he} likes {hobby}.", "{His} hobby is {hobby}.", "On Sundays {he} enjoys {hobby}."], ["What is {name}'s hobby?", "What does {name} like to do?", "What does {name} do in {his} free time?"], "{Name} likes {hobby}."),
        (["{He} has a {pet} called {petname}.", "At home a {pet} called {petname} is waiting for {him}."], ["What pet does {name} have?", "What animal does {name} have?"], "{Name} has a {pet}."),
        (["{He} gets up at {time} every day.", "{His} day begins at {time}."], ["When does {name} get up?", "When does {name}'s day begin?"], "{Name} gets up at {time}."),
        (["{His} favourite food is {food}.", "{He} could eat {food} every day."], ["What is {name}'s favourite food?", "What does {name} like to eat?"], "{Name} likes {food}."),
        (["{He} came to {city} in {year}.", "{He} was born in {year}."], None, None),
        (["{His} best friend is {other}.", "{He} often meets {his} friend {other}."], ["Who is {name}'s friend?", "Who is the friend of {name}?"], "{Name}'s friend is {other}."),
        (["{He} goes to work by {vehicle}.", "Every morning {he} takes the {vehicle}."], ["How does {name} go to work?", "What does {name} take every morning?"], "{Name} takes the {vehicle}."),
    ],
    "company": [
        (["{company} was founded in {year}.", "The history of {company} began in {year}."], ["When was {company} founded?", "In which year was {company} founded?"], "{Company} was founded in {year}."),
        (["Its office is in {city}.", "The company has its seat in {city}."], ["Where is the office of {company}?", "In which city is {company}?"], "The office of {company} is in {city}."),
        (["It sells {things}.", "The company makes {things}."], ["What does {company} sell?", "What does {company} make?"], "{Company} sells {things}."),
        (["{n} people work there.", "It has {n} employees."], ["How many people work at {company}?", "How many employees does {company} have?"], "{N} people work at {company}."),
        (["The head of the company is {name}.", "{name} leads the company."], ["Who leads {company}?", "Who is the head of {company}?"], "{Name} leads {company}."),
        (["The shop opens at {time}.", "Customers can come from {time}."], ["When does the shop open?", "From what time can customers come?"], "The shop opens at {time}."),
        (["Its logo is a {colour} {animal}.", "On its sign there is a {colour} {animal}."], ["What is on the sign of {company}?", "What is the logo of {company}?"], "A {colour} {animal}."),
    ],
    "village": [
        (["{place} is a small village near {city}.", "Not far from {city} lies the village of {place}."], ["What is {place} near?", "Near which city is {place}?"], "{Place} is near {city}."),
        (["{n} people live there.", "It has {n} inhabitants."], ["How many people live in {place}?", "How many inhabitants does {place} have?"], "{N} people live in {place}."),
        (["In the middle there is an old {building}.", "Visitors come to see the old {building}."], ["What can visitors see in {place}?", "What is old in {place}?"], "There is an old {building}."),
        (["The market is on {day}.", "Every {day} there is a market."], ["When is the market?", "On which day is the market in {place}?"], "The market is on {day}."),
        (["The village is known for its {food}.", "Everybody praises the {food} of the village."], ["What is {place} known for?", "What is the village known for?"], "It is known for its {food}."),
        (["The river there is called the {river}.", "Through the village flows the {river}."], ["What is the river called?", "Which river flows through {place}?"], "The river is called the {river}."),
        (["The mayor is {name}.", "For many years {name} has been the mayor."], ["Who is the mayor of {place}?", "Who is the mayor?"], "The mayor is {name}."),
    ],
    "trip": [
        (["On {day} {name} travelled to {city}.", "{name} went to {city} on {day}."], ["Where did {name} go?", "Where did {name} travel to?"], "{Name} went to {city}."),
        (["{He} went by {vehicle}.", "The journey by {vehicle} was long."], ["How did {name} travel?", "How did {name} get there?"], "{Name} travelled by {vehicle}."),
        (["There {he} visited {his} friend {other}.", "{other} met {him} at the station."], ["Whom did {name} meet?", "Who was with {name} in {city}?"], "{Name} met {other}."),
        (["They ate {food} in a small restaurant.", "For lunch they had {food}."], ["What did they eat?", "What did they have for lunch?"], "They ate {food}."),
        (["{He} bought {a colour} {product}.", "In a shop {he} found {a colour} {product}."], ["What did {name} buy?", "What did {name} find in a shop?"], "{Name} bought {a colour} {product}."),
        (["The room cost {amount} dollars.", "{He} paid {amount} dollars for the hotel."], ["How much did the hotel cost?", "How much did {name} pay for the room?"], "It cost {amount} dollars."),
        (["The weather was {sky}.", "It was {sky} all day."], ["How was the weather?", "What was the weather like?"], "It was {sky}."),
        (["{He} stayed for {n2} days.", "After {n2} days {he} went home."], ["How long did {name} stay?", "How many days did {name} stay?"], "{Name} stayed for {n2} days."),
    ],
}
FORMS = ["{text}\n\n{q}", "{text}\n\nQuestion: {q}", "Text: {text}\nQuestion: {q}", "Read the text and answer the question.\n\n{text}\n\n{q}", "Answer from the text: {q}\n\nText: {text}", "{q}\n\n{text}", "Here is a text: {text} {q}",
         "Context: {text}\n\nQuestion: {q}\nAnswer:", "Use only this text to answer.\n{text}\n{q}", "\"{text}\" {q}", "According to the text, {q0}\n\n{text}"]
SYSTEMS = ["Answer from the given text only.", "Answer the question about the text.", "You answer questions about texts. If the text does not say, say so.", "You are a helpful assistant."]
NOT_SAID = ["The text does not say.", "The text does not say that."]
PLACES = "Oakford Millbrook Ashby Thornhill Riverton Stonebridge Elmswell Foxley Hartwell Marsham Birchwood Clayford Lindale Redcliff Westerby Greenham Kingsley Ravenport Saltmarsh Whitford".split()
RIVERS = "Aven Lorn Tessel Brink Moor Calder Ister Wyle Rill Ombra Silver Nith".split()
SPLIT = {s: hold_out(FORMS, s, 6) for s in ("train", "test")}


def draw(rng):
    """(passage, [(question, answer)], [questions without an answer in it])"""
    girl = rng.random() < 0.5
    p = words.PRONOUNS["f" if girl else "m"]
    slots = dict(name=words.girl(rng) if girl else words.boy(rng), other=words.first_name(rng), city=words.city(rng), age=rng.randint(8, 90), job=one_of(rng, words.JOBS),
                 hobby=one_of(rng, words.HOBBIES), pet=one_of(rng, words.PETS), petname=one_of(rng, words.GIRLS + words.BOYS), time=extract.clock(rng), food=one_of(rng, words.FOODS), year=rng.randint(1850, 2024),
                 vehicle=one_of(rng, ["bus", "train", "tram", "bicycle", "boat", "car"]), company=words.company(rng), things=one_of(rng, [one_of(rng, words.NOUNS) + "s", "shoes", "toys", "lamps", "books", "furniture", "bread", "clocks", "bicycles", "honey", "software", "paper", "boats"]),
                 n=rng.randint(5, 900), n2=words.number_word(rng.randint(2, 14)), colour=one_of(rng, words.COLOURS), animal=one_of(rng, list(words.ANIMALS)), place=one_of(rng, PLACES) if rng.random() < 0.5 else words.coin(rng), river=one_of(rng, RIVERS) if rng.random() < 0.5 else words.coin(rng),
                 building=one_of(rng, ["church", "mill", "bridge", "castle", "tower", "lighthouse", "inn", "school"]), day=one_of(rng, words.DAYS), product=one_of(rng, words.NOUNS),
                 amount=rng.randint(20, 400), sky=one_of(rng, ["sunny", "rainy", "windy", "cold", "hot", "cloudy"]))
    env = Env(rng, {k: str(v) for k, v in slots.items()}, he=p["he"], him=p["him"], his=p["his"])
    subject = one_of(rng, list(SUBJECTS))
    facts = SUBJECTS[subject]
    said = [facts[0]] + some_of(rng, facts[1:], rng.randint(1, min(6, len(facts) - 1)))
    text = " ".join(capitalise(env.say(one_of(rng, f[0]))) for f in said)
    known = [(env.say(one_of(rng, f[1])), env.say(f[2])) for f in said if f[1]]
    unknown = [env.say(one_of(rng, f[1])) for f in facts if f not in said and f[1]]
    return text, known, unknown


def make(rng, split, system=None):
    text, known, unknown = draw(rng)
    if system is None and rng.random() < 0.25:
        system = one_of(rng, SYSTEMS)
    chat = Chat("passage", system)
    rng.shuffle(known)
    asked = known[:1 if split == "test" else rng.choice([1, 1, 2, 3])]
    if unknown and rng.random() < 0.25:
        asked[rng.randrange(len(asked))] = (one_of(rng, unknown), one_of(rng, NOT_SAID[:1]))
    for i, (q, a) in enumerate(asked):
        form = one_of(rng, SPLIT[split]) if i == 0 else "{q}"
        chat.user(form.replace("{text}", text).replace("{q0}", q[0].lower() + q[1:]).replace("{q}", q)).bot(capitalise(a))
    return chat
