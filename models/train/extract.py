"""Pulling fields out of a sentence into JSON, and inventing small JSON objects.

A scene is a kind of message (an order, a booking, a person ...) with sentence templates over
named fields.  A field has a value generator, the names by which a user may ask for it, and
a few names that only the test split uses.  The answer is one line of JSON in the order the
user asked for; a field that the sentence does not give is null.
"""

import json
import re

import arithmetic
import follow
import knowledge
import words
from grammar import Chat, Env, capitalise, hold_out, join_list, one_of, roughen, some_of, with_article


def person(rng):
    return words.first_name(rng)


def full_name(rng):
    return person(rng) + " " + words.surname(rng)


def email(rng):
    return "%s%s@%s.%s" % (person(rng).lower(), one_of(rng, ["", ".", "_", ""]) + one_of(rng, ["", words.surname(rng).lower(), str(rng.randint(1, 99))]),
                           one_of(rng, ["example", "mail", "post", one_of(rng, words.NOUNS), words.coin(rng, False)]), one_of(rng, "com org net".split()))


def phone(rng):
    return "%03d-%04d" % (rng.randint(200, 999), rng.randint(0, 9999)) if rng.random() < 0.5 else "0%d %d" % (rng.randint(100, 999), rng.randint(100000, 999999))


def clock(rng):
    h, m = rng.randint(1, 12), one_of(rng, ["", "", ":15", ":30", ":45"])
    return "%d%s %s" % (h, m, one_of(rng, ["am", "pm"])) if rng.random() < 0.6 else "%02d:%02d" % (rng.randint(0, 23), one_of(rng, [0, 5, 10, 15, 20, 30, 40, 45, 50]))


def date(rng):
    d, m = rng.randint(1, 28), one_of(rng, words.MONTHS)
    return one_of(rng, ["%d %s" % (d, m), "%s %d" % (m, d), one_of(rng, words.DAYS), "%d %s %d" % (d, m, rng.randint(1990, 2030)), "%d-%02d-%02d" % (rng.randint(2000, 2030), rng.randint(1, 12), d)])


def code(rng):
    letters = "ABCDEFGHJKLMNPQRSTUVWXYZ"
    return one_of(rng, ["%s%s-%d" % (one_of(rng, letters), one_of(rng, letters), rng.randint(100, 9999)), "%s%d" % (one_of(rng, letters), rng.randint(10, 99999)), str(rng.randint(1000, 99999))])


def price(rng):
    return rng.randint(1, 900) if rng.random() < 0.6 else round(rng.randint(100, 9999) / 100, 2)


# field: (generator, names seen in training, names for the test only)
FIELDS = {
    "name": (person, ["name", "first_name", "person", "who", "firstname"], ["given_name", "individual"]),
    "full_name": (full_name, ["name", "full_name", "person", "customer", "fullName"], ["complete_name", "whole_name"]),
    "age": (lambda r: r.randint(1, 99), ["age", "years", "age_in_years"], ["years_old"]),
    "city": (words.city, ["city", "town", "place", "location", "residence"], ["home_town"]),
    "to": (words.city, ["to", "destination", "arrival_city", "target"], ["travel_goal", "to_city"]),
    "from": (words.city, ["from", "origin", "departure_city", "start"], ["from_city", "starting_point"]),
    "job": (lambda r: one_of(r, words.JOBS), ["job", "profession", "occupation", "work"], ["job_title"]),
    "hobby": (lambda r: one_of(r, words.HOBBIES), ["hobby", "interest", "likes"], ["pastime"]),
    "company": (words.company, ["company", "employer", "firm", "organisation"], ["business", "company_name"]),
    "email": (email, ["email", "mail", "email_address", "contact"], ["e_mail"]),
    "phone": (phone, ["phone", "phone_number", "telephone", "tel"], ["mobile", "call_number"]),
    "product": (words.product, ["product", "item", "article", "thing"], ["goods", "product_name"]),
    "quantity": (lambda r: r.randint(2, 60), ["quantity", "count", "number", "amount"], ["how_many", "units"]),
    "price": (price, ["price", "cost", "total"], ["price_in_dollars", "sum_paid"]),
    "colour": (lambda r: one_of(r, words.COLOURS), ["colour", "color"], ["paint_colour"]),
    "date": (date, ["date", "day", "when"], ["on_date", "day_of_event"]),
    "time": (clock, ["time", "hour", "at", "start_time"], ["clock_time"]),
    "order": (code, ["order", "order_number", "order_id", "number"], ["order_code"]),
    "pet": (lambda r: one_of(r, words.PETS), ["pet", "animal", "kind"], ["species"]),
    "petname": (person, ["name", "pet_name", "petName"], ["animal_name"]),
    "people": (lambda r: r.randint(2, 14), ["people", "guests", "persons", "party_size"], ["number_of_guests"]),
    "food": (lambda r: one_of(r, words.FOODS), ["food", "dish", "meal"], ["food_item"]),
    "room": (lambda r: str(r.randint(1, 999)), ["room", "room_number"], ["room_no"]),
    "country": (lambda r: one_of(r, list(words.CAPITALS)).replace("the ", ""), ["country", "nation", "state"], ["home_country"]),
    "year": (lambda r: r.randint(1900, 2029), ["year", "in_year"], ["year_of_event"]),
    "rating": (lambda r: r.randint(1, 5), ["rating", "stars", "score"], ["star_rating"]),
    "event": (lambda r: one_of(r, "meeting|concert|birthday party|wedding|lecture|workshop|football match|dinner|exhibition|book club|rehearsal|interview|picnic".split("|")),
              ["event", "what", "title", "subject"], ["occasion"]),
    "weight": (lambda r: r.randint(1, 120), ["weight", "weight_kg", "kilograms"], ["mass_kg"]),
    "street": (lambda r: (one_of(r, words.NOUNS).capitalize() if r.random() < 0.6 else words.coin(r)) + " " + one_of(r, ["Street", "Road", "Lane"]) + " " + str(r.randint(1, 200)),
               ["address", "street"], ["street_address"]),
}

SCENES = [
    (["full_name", "age", "city"], ["{full_name} is {age} years old and lives in {city}.", "{full_name}, {age}, lives in {city}.", "{full_name} from {city} is {age}.", "In {city} lives {full_name}, who is {age} years old.",
                                    "My name is {full_name}, I am {age} years old and I live in {city}.", "I met {full_name} in {city}. She turned {age} last week."]),
    (["name", "job", "city"], ["{name} is {a job} in {city}.", "{name} works as {a job} in {city}.", "My friend {name} from {city} is {a job}.", "In {city}, {name} has found work as {a job}.", "{name}, {a job}, has moved to {city}."]),
    (["name", "age", "hobby"], ["{name} is {age} and likes {hobby}.", "At the age of {age}, {name} still enjoys {hobby}.", "{name} ({age}) loves {hobby}.", "I am {name}, {age} years old, and my hobby is {hobby}."]),
    (["full_name", "company", "job"], ["{full_name} works for {company} as {a job}.", "{company} has hired {full_name} as {a job}.", "{full_name} is the new {job} at {company}.", "As {a job}, {full_name} has been with {company} for years."]),
    (["full_name", "email", "phone"], ["You can reach {full_name} at {email} or by phone at {phone}.", "Contact: {full_name}, {email}, {phone}.", "Please write to {full_name} ({email}) or call {phone}.", "My name is {full_name}. My email is {email} and my number is {phone}.",
                                       "Call {full_name} at {phone} or send a mail to {email}."]),
    (["name", "quantity", "product", "price"], ["{name} bought {quantity} of the {product} for {price} dollars.", "{name} ordered {quantity} pieces: {product}, total {price} dollars.", "For {price} dollars {name} got {quantity} times the {product}.",
                                                "Order from {name}: {quantity} x {product}, {price} dollars."]),
    (["order", "product", "colour", "price"], ["Order {order}: one {colour} {product} for {price} dollars.", "The {colour} {product} in order {order} costs {price} dollars.", "I would like to return the {colour} {product} from order {order}. I paid {price} dollars.",
                                               "Your order {order} ({product}, {colour}) has been sent. You paid {price} dollars."]),
    (["name", "from", "to", "date"], ["{name} flies from {from} to {to} on {date}.", "On {date}, {name} takes the train from {from} to {to}.", "{name} is going to {to} on {date} and starts in {from}.", "I am {name}. Please book a ticket from {from} to {to} for {date}.",
                                      "Book a flight from {from} to {to} on {date} for {name}."]),
    (["event", "date", "time", "city"], ["The {event} is on {date} at {time} in {city}.", "On {date} at {time} there will be a {event} in {city}.", "Don't forget the {event} in {city}: {date}, {time}.", "We meet in {city} for the {event} on {date} at {time}."]),
    (["name", "people", "date", "time"], ["{name} would like a table for {people} on {date} at {time}.", "A table for {people} people, {date}, {time}, in the name of {name}.", "Please reserve for {people} on {date} at {time}. My name is {name}.", "{name} booked a table for {people} guests at {time} on {date}."]),
    (["name", "pet", "petname"], ["{name} has a {pet} called {petname}.", "{name}'s {pet} is called {petname}.", "{petname} is the {pet} of {name}.", "The {pet} {petname} belongs to {name}."]),
    (["petname", "pet", "age", "weight"], ["{petname} is a {pet}, {age} years old, and weighs {weight} kilograms.", "The {pet} {petname} weighs {weight} kilograms and is {age} years old.", "{petname}, our {pet}, is {age} and weighs {weight} kilograms."]),
    (["full_name", "room", "date"], ["{full_name} stays in room {room} until {date}.", "Room {room} is booked for {full_name} until {date}.", "Please clean room {room}; {full_name} leaves on {date}.", "{full_name} arrives on {date} and gets room {room}."]),
    (["full_name", "country", "year"], ["{full_name} was born in {country} in {year}.", "{full_name} came from {country} in {year}.", "In {year}, {full_name} moved to {country}.", "Born {year} in {country}: {full_name}."]),
    (["product", "rating", "price"], ["I give the {product} {rating} stars. It cost {price} dollars.", "The {product} for {price} dollars gets {rating} out of 5.", "{rating} stars for this {product}. The price was {price} dollars."]),
    (["full_name", "street", "city"], ["{full_name} lives at {street} in {city}.", "Please send it to {full_name}, {street}, {city}.", "Deliver to: {full_name}, {street}, {city}.", "My address is {street}, {city}. Regards, {full_name}"]),
    (["name", "food", "price"], ["{name} ate {food} for {price} dollars.", "{name} paid {price} dollars for {food}.", "The {food} cost {name} {price} dollars.", "{name} ordered {food}. That makes {price} dollars."]),
    (["company", "city", "year"], ["{company} was founded in {city} in {year}.", "In {year} {company} opened its first office in {city}.", "{company} has been in {city} since {year}."]),
]

# one clause a field, for texts that are put together from several of them
CLAUSES = {
    "name": ["My name is {name}.", "The name is {name}.", "This is {name} speaking.", "{name} wrote to us."], "full_name": ["I am {full_name}.", "Regards, {full_name}", "The customer is called {full_name}."],
    "age": ["I am {age} years old.", "The age is {age}.", "Last week was the {age}th birthday."], "city": ["I live in {city}.", "We are in {city} now.", "The office is in {city}."],
    "job": ["I work as {a job}.", "The job is {job}."], "hobby": ["My hobby is {hobby}.", "In the evening there is time for {hobby}."], "company": ["I work for {company}.", "The company is {company}."],
    "email": ["My email is {email}.", "Write to {email}."], "phone": ["Call me at {phone}.", "My number is {phone}."], "product": ["I would like to buy {a product}.", "It is about the {product}."],
    "quantity": ["I need {quantity} of them.", "The quantity is {quantity}."], "price": ["It costs {price} dollars.", "The price is {price} dollars.", "I paid {price} dollars."],
    "colour": ["The colour is {colour}.", "I would like it in {colour}."], "date": ["The date is {date}.", "It should arrive on {date}."], "time": ["Please come at {time}.", "It begins at {time}."],
    "order": ["The order number is {order}.", "My order is {order}."], "people": ["We are {people} people.", "There will be {people} guests."], "country": ["I come from {country}.", "It was made in {country}."],
    "year": ["It was in {year}.", "The year was {year}."], "rating": ["I give it {rating} stars."], "event": ["I am coming to the {event}.", "The {event} was lovely."], "weight": ["The weight is {weight} kilograms."],
    "street": ["My address is {street}.", "Send it to {street}."], "room": ["The room is {room}."], "food": ["I would like {food}.", "We ate {food}."],
}


# one sentence a field, where field and value may be anything
ANY = ["The {key} is {value}.", "The {key} is {value}.", "{Key}: {value}.", "Its {key} was {value}.", "We chose {value} as the {key}.", "As for the {key}, it is {value}.", "They set the {key} to {value}.",
       "For the {key} we have {value}.", "{value} is the {key}.", "Please note the {key}: {value}.", "{Key} = {value};", "The {key} must be {value}."]


def any_value(rng):
    k = rng.randrange(8)
    if k == 0:
        return rng.randint(0, 9999)
    if k == 1:
        return round(rng.randint(1, 99999) / 100, 2)
    text = [words.coin(rng), words.coin(rng) + " " + words.coin(rng), one_of(rng, words.ADJECTIVES) + " " + one_of(rng, words.NOUNS), one_of(rng, words.NOUNS), code(rng), one_of(rng, [date, clock, person, words.city, words.company])(rng)][k - 2]
    return int(text) if text.isdigit() else text


def anything(rng):
    """(text, {label: value}) with labels and values that nobody has seen together."""
    out = {}
    for _ in range(rng.randint(1, 4)):
        out[words.label(rng)] = any_value(rng)
    style = rng.random()
    spoken = {k: re.sub("([A-Z])", lambda m: " " + m.group(1).lower(), k).replace("_", " ") for k in out}
    if style < 0.3:
        text = one_of(rng, ["\n", ", ", "; "]).join("%s: %s" % (spoken[k] if rng.random() < 0.7 else k, v) for k, v in out.items())
    else:
        text = " ".join(capitalise(Env(rng, key=spoken[k], value=str(v)).say(one_of(rng, ANY))) for k, v in out.items())
    keys = list(out)
    if rng.random() < 0.5:
        rng.shuffle(keys)
    if rng.random() < 0.3:
        keys = keys[:rng.randint(1, len(keys))]
    return text, {k: out[k] for k in keys}


AROUND = ["customer_{k}", "the_{k}", "{k}_1", "my_{k}", "{k}_value", "order_{k}", "user_{k}", "client_{k}", "{k}_text", "full_{k}", "new_{k}", "{k}_of_record", "main_{k}", "{k}_field", "input_{k}", "known_{k}"]


def free_text(rng, split):
    """A text of several clauses, or a list of "label: value" lines, over any fields."""
    keys = some_of(rng, list(CLAUSES), rng.randint(1, 5))
    if "name" in keys and "full_name" in keys:
        keys.remove("name")
    values = {k: FIELDS[k][0](rng) for k in keys}
    if rng.random() < 0.3:
        sep = one_of(rng, ["\n", "\n", ", ", "; "])
        return keys, values, sep.join("%s: %s" % (one_of(rng, FIELDS[k][1]).replace("_", " ").capitalize(), values[k]) for k in keys)
    env = Env(rng, {k: str(v) for k, v in values.items()})
    return keys, values, " ".join(env.say(one_of(rng, CLAUSES[k])) for k in keys)


ASKS = ["Extract {fields} from: {text}", "Extract {fields} as JSON: {text}", "Extract {fields} from this sentence as JSON.\n{text}", "Extract {fields} as JSON from the following text.\n\n{text}",
        "Answer as JSON with the fields {fields}.\n{text}", "Answer as JSON with fields {fields}: {text}", "{text}\n\nReturn JSON with the keys {fields}.", "{text}\nAs JSON with {fields}, please.",
        "Give me a JSON object with {fields}.\n\nText: {text}", "Return {fields} as JSON.\nText: {text}", "Read the text and fill in {fields} as JSON.\n\n{text}", "Find {fields} in this text and answer in JSON: {text}",
        "Turn this into JSON with {fields}: \"{text}\"", "Convert to JSON ({fields}): {text}", "From the text, extract {fields}. Reply with JSON only.\nText: \"{text}\"", "JSON with {fields} from: {text}",
        "Please extract {fields}. Text: {text}", "What are {fields}? Answer as JSON.\n{text}", "{text} Extract {fields} as JSON.", "Fields: {fields}\nText: {text}\nJSON:",
        "I need {fields} as a JSON object from this message: {text}", "Parse the message into JSON with the keys {fields}.\nMessage: {text}"]
SCHEMA_ASKS = ["Answer with JSON that follows this schema:\n{schema}\n\n{text}", "{text}\n\nJSON Schema: {schema}", "Schema: {schema}\nText: {text}", "Extract the data from the text. Use this JSON Schema.\n{schema}\nText: {text}"]
SYSTEM_ASKS = ["You extract data. Answer only with a JSON object with the keys {fields}.", "Return JSON with {fields} for every message.", "You turn messages into JSON with the fields {fields}.",
               "Extract {fields} from what the user writes. Reply with JSON."]
ARRAY_ASKS = ["List all {what} in the text as a JSON array.\n{text}", "Return the {what} as a JSON array: {text}", "Extract all {what} as JSON: {text}", "Which {what} are mentioned? Answer as a JSON array.\n{text}"]
SPLIT = {s: {"ask": hold_out(ASKS, s, 7), "scene": {i: hold_out(t, s, 6) for i, (_, t) in enumerate(SCENES)}} for s in ("train", "test")}


def to_json(value):
    return json.dumps(value, ensure_ascii=False)


def draw(rng, split, unseen_names=False):
    """(sentence, {asked name: value}, {asked name: JSON type})"""
    i = rng.randrange(len(SCENES))
    keys = SCENES[i][0]
    values = {k: FIELDS[k][0](rng) for k in keys}
    while len(set(map(str, values.values()))) < len(values):
        values = {k: FIELDS[k][0](rng) for k in keys}
    env = Env(rng, {k: str(v) for k, v in values.items()})
    text = env.say(one_of(rng, SPLIT[split]["scene"][i]))
    if split == "train" and rng.random() < 0.3:
        keys, values, text = free_text(rng, split)
    chosen = list(keys)
    if rng.random() < 0.55:
        rng.shuffle(chosen)
    if rng.random() < 0.35:
        chosen = chosen[:rng.randint(1, len(chosen))]
    out = {}
    for k in chosen:
        names = FIELDS[k][2] if unseen_names else FIELDS[k][1]
        if k == "petname" and "name" in keys:
            names = [n for n in names if n != "name"]
        name = names[0] if not unseen_names and rng.random() < 0.5 else one_of(rng, names)
        if split == "train" and rng.random() < 0.15:
            name = one_of(rng, AROUND).replace("{k}", name)
        while name in out:
            name = k if k not in out else k + "_" + str(len(out))
        out[name] = values[k]
    if split == "train" and rng.random() < 0.08:
        missing = one_of(rng, [k for k in FIELDS if k not in keys])
        name = FIELDS[missing][1][0]
        if name not in out and name not in keys:
            out[name] = None
    return text, out


def spell_fields(rng, names):
    style = rng.random()
    if style < 0.40:
        return join_list(names)
    if style < 0.65:
        return ", ".join(names)
    if style < 0.80:
        return join_list(["the " + n.replace("_", " ") for n in names]) if all("_" not in n and n.islower() for n in names) else ", ".join(names)
    return ", ".join('"%s"' % n for n in names)


def schema_of(out):
    types = {str: "string", int: "integer", float: "number", type(None): "null"}
    return to_json({"type": "object", "properties": {k: {"type": types[type(v)]} for k, v in out.items()}, "required": list(out)})


# the user names no fields: a schema that the prompt does not show decides them
BARE = ["Extract the data: {text}", "Extract the data from this text: {text}", "Extract the fields from: {text}", "Turn this into JSON: {text}", "{text}\nJSON:", "As JSON: {text}", "Fill in the form from this text: {text}",
        "Give me this as JSON.\n{text}", "Parse this message: {text}", "{text}\n\nReturn the data as JSON.", "Structure this text as JSON: {text}", "Convert to JSON: {text}", "Extract the information: {text}"]
BARE_SYSTEMS = ["Answer in JSON.", "Reply with a JSON object.", "You extract data from messages as JSON.", "Always answer with JSON."]
KEYS = ["answer", "answer", "answer", "result", "response", "reply", "text", "output", "value", "message", "solution"]
KEYED = ["{q} Answer as JSON with the key {k}.", "{q} Answer as JSON with the field {k}.", "{q}\nReturn JSON with {k}.", "Answer as JSON with {k}: {q}", "{q} Reply with a JSON object with the key \"{k}\".", "{q} JSON with {k}, please."]


def bare(rng, chat):
    """The same data under any choice of keys in any order: whichever key comes, fill it."""
    text, out = draw(rng, "train") if rng.random() < 0.75 else anything(rng)
    if rng.random() < 0.25 and not chat.messages:
        chat.messages.append({"role": "system", "content": one_of(rng, BARE_SYSTEMS)})
        return text, to_json(out)
    return one_of(rng, BARE).replace("{text}", text), to_json(out)


def keyed(rng):
    """A question whose answer is wrapped into an object."""
    r = rng.random()
    key = one_of(rng, KEYS) if r < 0.9 else words.label(rng)
    if r < 0.30:
        q, a, number = arithmetic.plain(rng, "train")
        value = int(number) if rng.random() < 0.7 else a
    elif r < 0.45:
        q, value = follow.yes_no(rng, "train")
        value = value == "Yes"
        key = one_of(rng, [key, "yes", "correct", "true", "is_true"])
    elif r < 0.60:
        q, value = follow.sentiment(rng, "train")
        key, value = one_of(rng, ["sentiment", "sentiment", "label", "class", key]), value.lower()
    else:
        q, full, short = knowledge.fact_pair(rng, "train")
        value = short if short and rng.random() < 0.5 else full
    return one_of(rng, KEYED).replace("{q}", q).replace("{k}", key), to_json({key: value})


def array_task(rng):
    what, pool = one_of(rng, [("names", [words.first_name(rng) for _ in range(6)]), ("cities", sorted({words.city(rng) for _ in range(9)})), ("words", words.NOUNS), ("animals", list(words.ANIMALS)), ("colours", words.COLOURS), ("foods", words.FOODS), ("products", words.PRODUCTS)])
    items = some_of(rng, pool, rng.randint(1, 5))
    shown = [with_article(x) for x in items] if what in ("animals", "products") and not items[0].startswith("pair") else items
    text = one_of(rng, ["I saw %s.", "In the story there are %s.", "We talked about %s.", "Today we have %s.", "On the list are %s.", "%s: that is all."]) % join_list(shown)
    return Env(rng, what=what, text=text).say(one_of(rng, ARRAY_ASKS)), to_json(items)


USUAL = {"full_name": "Anna Lindqvist", "name": "Anna", "age": 34, "city": "Lisbon", "job": "teacher", "hobby": "chess", "pet": "cat", "product": "lamp", "price": 25, "quantity": 3, "date": "Monday",
         "time": "10:30", "colour": "blue", "country": "Portugal", "company": "Northwind", "year": 1998}


def invent(rng):
    keys = one_of(rng, SCENES)[0]
    if rng.random() < 0.5:
        keys = some_of(rng, list(FIELDS), rng.randint(2, 4))
    out = {}
    for k in keys:
        out.setdefault(FIELDS[k][1][0], USUAL[k] if k in USUAL and rng.random() < 0.4 else FIELDS[k][0](rng))
    if rng.random() < 0.2:
        # the form comes from a schema that the prompt does not show
        person_keys = one_of(rng, [["full_name", "age", "city"], ["name", "age"], ["full_name", "age", "job"], ["name", "job", "city"], ["name", "hobby", "pet"]])
        return one_of(rng, ["Invent a person.", "Make up a person.", "Invent a character.", "Give me an example of a person.", "Describe an imaginary person.", "Create a user."]), \
            to_json({FIELDS[k][1][0]: USUAL[k] if rng.random() < 0.4 else FIELDS[k][0](rng) for k in person_keys})
    thing = one_of(rng, ["a person", "a customer", "an example", "a record", "an order", "a character", "some data"])
    q = one_of(rng, ["Invent %s as JSON with %s.", "Make up %s with the fields %s. Answer as JSON.", "Give me %s as JSON with the keys %s.", "Create %s: JSON with %s."]) % (thing, spell_fields(rng, list(out)))
    return q, to_json(out)


def one(rng, split, unseen_names=False):
    if split == "train" and rng.random() < 0.35:
        text, out = anything(rng)
    else:
        text, out = draw(rng, split, unseen_names)
    env = Env(rng, text=text.replace("[", "(").replace("{", "("), fields=spell_fields(rng, list(out)))
    return env.say(one_of(rng, SPLIT[split]["ask"])), to_json(out)


def make(rng, split, system=None, unseen_names=False):
    if split == "test":
        q, a = one(rng, split, unseen_names)
        return Chat("extract").user(q).bot(a)
    r = rng.random()
    if r < 0.12:
        text, out = draw(rng, split)
        names = list(out)
        chat = Chat("extract", Env(rng, fields=spell_fields(rng, names)).say(one_of(rng, SYSTEM_ASKS)))
        chat.user(text).bot(to_json(out))
        return chat
    chat = Chat("extract", system if system else (one_of(rng, ["You are a helpful assistant.", "Answer with JSON only.", "You extract fields as JSON."]) if rng.random() < 0.2 else None))
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        r = rng.random()
        if r < 0.50:
            q, a = one(rng, split)
        elif r < 0.60:
            q, a = bare(rng, chat)
        elif r < 0.70:
            q, a = keyed(rng)
        elif r < 0.80:
            text, out = draw(rng, split) if rng.random() < 0.6 else anything(rng)
            q = one_of(rng, SCHEMA_ASKS).replace("{schema}", schema_of(out)).replace("{text}", text)
            a = to_json(out)
        elif r < 0.90:
            q, a = array_task(rng)
        else:
            q, a = invent(rng)
        chat.user(roughen(q, rng) if rng.random() < 0.1 and a.islower() else q).bot(a)
    return chat
