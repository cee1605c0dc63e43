"""Choosing and calling one of several tools, reading the result, and leaving tools alone.

A tool is drawn with one of several names, descriptions and parameter names, so that the
model has to read the offer instead of remembering it.  The test split uses tools that are
never seen in training.

    TOOLS   (names, descriptions, parameters, requests, results, answers)
"""

import json

import facts
import knowledge
import smalltalk
import words
from grammar import Chat, Env, capitalise, one_of, roughen, some_of

# slot: generator of an argument
GEN = {
    "city": words.city, "city2": words.city, "name": words.first_name,
    "n": lambda r: r.randint(2, 60), "product": words.product, "food": lambda r: one_of(r, words.FOODS), "company": words.company,
    "day": lambda r: one_of(r, words.DAYS + ["today", "tomorrow"]), "time": lambda r: "%d:%02d" % (r.randint(1, 23), one_of(r, [0, 15, 30, 45])), "amount": lambda r: r.randint(5, 900),
    "cur": lambda r: one_of(r, ["USD", "EUR", "GBP", "JPY", "CHF"]), "cur2": lambda r: one_of(r, ["SEK", "NOK", "PLN", "CAD", "AUD"]), "animal": lambda r: one_of(r, list(words.ANIMALS)),
    "text": lambda r: one_of(r, ["Good morning", "Where is the station?", "I am late", "Thank you very much", "See you tomorrow", "The soup is hot", "Happy birthday", "I like this town", "The train was late", "We need milk"]),
    "language": lambda r: one_of(r, "German French Spanish Italian Japanese Portuguese Dutch Polish Swedish Greek".split()), "task": lambda r: one_of(r, ["buy milk", "call the doctor", "water the plants", "pay the rent", "feed the cat",
            "clean the kitchen", "send the letter", "fix the bike", "book a room", "read the report", "wash the car", "bake a cake"]), "topic": lambda r: one_of(r, words.HOBBIES + ["volcanoes", "whales", "trains", "old maps", "bees", "the moon"]),
    "song": lambda r: one_of(r, ["Moonlight", "The Long Road", "Blue Morning", "Summer Rain", "Silver Bells", "My Little Boat", "Dancing Home"]), "room": lambda r: one_of(r, ["kitchen", "bedroom", "living room", "bathroom", "hall", "office", "garage"]),
    "expr": lambda r: "%d %s %d" % (r.randint(11, 999), one_of(r, "+-*/"), r.randint(11, 999)), "word": lambda r: one_of(r, "lantern river wisdom harbour meadow quarrel feather compass orchard thunder velvet pebble".split()),
    "order": lambda r: "%s%d" % (one_of(r, "ABCDEFGH"), r.randint(100, 99999)), "file": lambda r: one_of(r, ["notes", "report", "letter", "budget", "plan", "list", "data", "readme"]) + one_of(r, [".txt", ".md", ".csv", ".pdf"]),
    "email": lambda r: one_of(r, words.GIRLS + words.BOYS).lower() + "@" + one_of(r, ["example.com", "mail.org", "post.net"]), "temp": lambda r: r.randint(15, 26), "noun": lambda r: one_of(r, words.NOUNS), "coin": words.coin, "phrase": lambda r: one_of(r, words.ADJECTIVES) + " " + one_of(r, words.NOUNS), "symbol": lambda r: "".join(r.choice("ABCDEFGHKLMNPRST") for _ in range(r.randint(3, 4))),
    "deg": lambda r: r.randint(-10, 36), "sky": lambda r: one_of(r, ["sunny", "cloudy", "rainy", "windy", "snowy", "foggy"]), "x": lambda r: r.randint(10, 9999), "book": lambda r: one_of(r, ["The Old Mill", "Night Train", "The Third Door", "A Winter Garden", "Letters from the Sea"]),
    "country": lambda r: one_of(r, list(words.CAPITALS)).replace("the ", ""), "km": lambda r: r.randint(20, 4000), "min": lambda r: r.randint(2, 50), "colour": lambda r: one_of(r, words.COLOURS), "person": lambda r: one_of(r, words.GIRLS + words.BOYS),
}
INT, NUM, STR, BOOL = "integer", "number", "string", "boolean"

# names | descriptions | parameters: (slot, names, type, descriptions) | requests | result | answer
TOOLS = [
    (["get_weather", "weather", "current_weather", "lookup_weather"], ["Get the current weather in a city", "Returns the weather for a place", "Current weather of a city"],
     [("city", ["city", "location", "place"], STR, ["The city", "Name of the city", "Where"])],
     ["[What is|What's|How is] the weather [in|like in] {city}[?| today?| now?]", "Is it [raining|cold|warm|sunny] in {city}[?| today?]", "Do I need an umbrella in {city}?", "Weather in {city}[?|]", "Tell me the weather in {city}."],
     {"temperature": "deg", "condition": "sky"}, "In {city} it is {sky} and {deg} degrees."),
    (["calculator", "calculate", "compute", "evaluate_expression"], ["Evaluates an arithmetic expression", "Calculate the value of an expression", "A calculator for sums"],
     [("expr", ["expression", "formula", "input"], STR, ["The expression", "What to calculate", "Arithmetic expression"])],
     ["[What is|Calculate|Compute|How much is] {expr}[?|]", "Please work out {expr}.", "[Use the calculator for|I need the result of] {expr}."], {"result": "x"}, "The result is {x}."),
    (["get_time", "current_time", "time_in_city", "clock"], ["Tells the local time in a city", "Get the current time of a place", "Current local time"],
     [("city", ["city", "place", "location"], STR, ["The city", "Where"])], ["[What time is it|What is the time|What's the local time] in {city}[?| now?]", "Tell me the time in {city}.", "Is it late in {city} now?"], {"time": "time"}, "It is {time} in {city}."),
    (["translate", "translate_text", "translator"], ["Translates a text into another language", "Translate text", "Translation into a language"],
     [("text", ["text", "sentence", "input"], STR, ["The text", "What to translate"]), ("language", ["language", "target_language", "to"], STR, ["The language", "Language to translate into"])],
     ["Translate \"{text}\" [into|to] {language}.", "How do you say \"{text}\" in {language}?", "What is \"{text}\" in {language}?", "I need \"{text}\" in {language}."], None, None),
    (["send_email", "email", "send_mail"], ["Sends an email", "Send a mail to an address"], [("email", ["to", "recipient", "address"], STR, ["The address", "Who gets the mail"]), ("text", ["body", "text", "message"], STR, ["The text of the mail", "What to write"])],
     ["[Send an email|Send a mail|Write] to {email}: \"{text}\"", "Mail {email} the text \"{text}\".", "Please email \"{text}\" to {email}."], {"status": "=sent"}, "I have sent the email to {email}."),
    (["set_alarm", "alarm", "create_alarm", "wake_up"], ["Sets an alarm", "Create an alarm at a time"], [("time", ["time", "at", "alarm_time"], STR, ["The time", "When it should ring"])],
     ["[Set|Please set] an alarm for {time}.", "Wake me up at {time}[.|, please.]", "I have to get up at {time}. [Set an alarm.|Please wake me.]"], {"status": "=set"}, "The alarm is set for {time}."),
    (["set_timer", "timer", "start_timer", "countdown"], ["Starts a timer", "Start a countdown in minutes"], [("min", ["minutes", "duration", "duration_minutes"], INT, ["The minutes", "How long, in minutes"])],
     ["[Set|Start] a timer for {min} minutes.", "[Tell me|Remind me|Ring] in {min} minutes.", "Timer, {min} minutes[.|, please.]"], {"status": "=started"}, "The timer runs for {min} minutes."),
    (["add_todo", "add_task", "create_task", "todo_add"], ["Adds a task to the list", "Create a new task"], [("task", ["task", "text", "title"], STR, ["The task", "What is to be done"])],
     ["[Add|Put] \"{task}\" [to my list|on my to-do list].", "I must not forget to {task}. [Put it on the list.|Note it, please.]", "New task: {task}[.|]"], {"status": "=ok"}, "I have added \"{task}\" to your list."),
    (["search_web", "web_search", "search", "search_internet"], ["Searches the web", "Search the internet for something"], [("topic", ["query", "q", "search_term"], STR, ["What to search for", "The query"])],
     ["[Search the web for|Look up|Google] {topic}.", "[Find|Search for] [information about|news about|pages about] {topic}.", "What does the internet say about {topic}?"], None, None),
    (["convert_currency", "exchange", "currency_converter"], ["Converts money from one currency to another", "Currency conversion"], [("amount", ["amount", "value", "sum"], NUM, ["The amount", "How much"]),
      ("cur", ["from", "from_currency", "source"], STR, ["Currency now", "From"]), ("cur2", ["to", "to_currency", "target"], STR, ["Currency wanted", "To"])],
     ["[Convert|Change] {amount} {cur} [to|into] {cur2}.", "How much is {amount} {cur} in {cur2}?", "What do I get in {cur2} for {amount} {cur}?"], {"result": "x"}, "{amount} {cur} is {x} {cur2}."),
    (["play_music", "play_song", "music_play", "play"], ["Plays a song", "Play music"], [("song", ["song", "title", "track"], STR, ["The song", "Title of the song"])],
     ["Play [the song |]\"{song}\".", "I want to hear \"{song}\".", "Put on \"{song}\"[.|, please.]"], {"status": "=playing"}, "Now playing \"{song}\"."),
    (["turn_on_light", "light_on", "lights_on", "switch_on_light"], ["Turns on the light in a room", "Switch on the lights of a room"], [("room", ["room", "where", "location"], STR, ["The room"])],
     ["[Turn on|Switch on] the light in the {room}[.|, please.]", "It is dark in the {room}. [Turn on the light.|Light, please.]", "Light on in the {room}[.|]"], {"status": "=on"}, "The light in the {room} is on."),
    (["turn_off_light", "light_off", "lights_off", "switch_off_light"], ["Turns off the light in a room", "Switch off the lights of a room"], [("room", ["room", "where", "location"], STR, ["The room"])],
     ["[Turn off|Switch off] the light in the {room}[.|, please.]", "I am leaving the {room}. Turn off the light.", "Light off in the {room}[.|]"], {"status": "=off"}, "The light in the {room} is off."),
    (["set_temperature", "set_heating", "thermostat", "heating"], ["Sets the temperature of a room", "Set the heating in a room"], [("room", ["room", "where"], STR, ["The room"]), ("temp", ["temperature", "degrees", "celsius"], INT, ["Degrees", "Temperature in Celsius"])],
     ["[Set|Heat] the {room} to {temp} degrees.", "Make it {temp} degrees in the {room}[.|, please.]", "I would like {temp} degrees in the {room}."], {"status": "=ok"}, "The {room} is set to {temp} degrees."),
    (["book_table", "reserve_table", "restaurant_booking"], ["Books a table in a restaurant", "Reserve a table"], [("n", ["people", "guests", "party_size"], INT, ["How many people", "Number of guests"]), ("time", ["time", "at"], STR, ["The time"])],
     ["[Book|Reserve] a table for {n} [people |]at {time}.", "We are {n} and want to eat at {time}. [Book a table.|Please reserve.]", "A table for {n} at {time}, please."], {"status": "=booked"}, "The table for {n} at {time} is booked."),
    (["find_flight", "search_flights", "flight_search", "flights"], ["Finds flights between two cities", "Search for flights"], [("city", ["from", "origin", "departure"], STR, ["Where it starts", "From"]), ("city2", ["to", "destination", "arrival"], STR, ["Where it goes", "To"])],
     ["[Find|Search] flights from {city} to {city2}.", "I want to fly from {city} to {city2}.", "Is there a flight from {city} to {city2}?", "Which flights go to {city2} from {city}?"], {"flight": "order", "departure": "time"}, "Flight {order} leaves {city} for {city2} at {time}."),
    (["get_stock_price", "stock_price", "quote", "share_price"], ["Returns the price of a stock", "Get a stock quote"], [("symbol", ["symbol", "ticker", "stock"], STR, ["The ticker", "Symbol of the stock"])],
     ["[What is|What's] the [price of the stock|stock price of|share price of] {symbol}?", "How much is [a share of |]{symbol}[ stock|]?", "Stock price of {symbol}[?|]"], {"price": "x"}, "{symbol} is at {x} dollars."),
    (["define_word", "dictionary", "define", "lookup_word"], ["Looks up a word in the dictionary", "Gives the meaning of a word"], [("word", ["word", "term"], STR, ["The word"])],
     ["[Define|Look up] the word \"{word}\".", "What does \"{word}\" mean?", "[What is the meaning of|Define] \"{word}\"[?|.]"], None, None),
    (["track_order", "order_status", "get_order", "track_package"], ["Shows the status of an order", "Track an order by its number"], [("order", ["order_id", "order_number", "id"], STR, ["Number of the order"])],
     ["Where is my order {order}?", "[Track|Check] [order|my order] {order}[.|, please.]", "When will order {order} arrive?", "What is the status of order {order}?"], {"status": "=on its way", "arrives": "day"}, "Order {order} is on its way and arrives {day}."),
    (["get_distance", "distance", "how_far"], ["Distance between two cities", "Computes how far two places are apart"], [("city", ["from", "start", "a"], STR, ["First city", "Start"]), ("city2", ["to", "end", "b"], STR, ["Second city", "End"])],
     ["How far is it from {city} to {city2}?", "[What is|What's] the distance between {city} and {city2}?", "How many kilometres are there between {city} and {city2}?"], {"kilometers": "km"}, "It is {km} kilometres from {city} to {city2}."),
    (["read_file", "open_file", "get_file", "cat_file"], ["Reads a file", "Returns the content of a file"], [("file", ["path", "filename", "file"], STR, ["The file", "Path of the file"])],
     ["[Read|Open|Show me] [the file |]{file}.", "What is in [the file |]{file}?", "[Show|Print] the content of {file}."], None, None),
    (["delete_file", "remove_file", "rm_file"], ["Deletes a file", "Remove a file"], [("file", ["path", "filename", "file"], STR, ["The file", "Path of the file"])],
     ["[Delete|Remove] [the file |]{file}[.|, please.]", "I do not need {file} any more. Delete it."], {"status": "=deleted"}, "I have deleted {file}."),
    (["get_recipe", "find_recipe", "recipe"], ["Finds a recipe", "Get a recipe with an ingredient"], [("food", ["ingredient", "food", "dish"], STR, ["The ingredient", "What to cook"])],
     ["[Find|Give me|I need] a recipe with {food}.", "What can I cook with {food}?", "How do I make something with {food}?"], None, None),
    (["call_contact", "phone_call", "call", "make_call"], ["Calls a person", "Make a phone call"], [("name", ["name", "contact", "person"], STR, ["Who to call", "Name of the contact"])],
     ["[Call|Phone|Ring] {name}[.|, please.]", "I want to [talk to|speak with] {name} on the phone.", "Give {name} a call."], {"status": "=calling"}, "I am calling {name}."),
    (["send_message", "send_text", "sms", "text_message"], ["Sends a short message to a person", "Send a text message"], [("name", ["to", "recipient", "contact"], STR, ["Who gets it"]), ("text", ["message", "text", "content"], STR, ["The message", "What to send"])],
     ["[Text|Message] {name} \"{text}\".", "[Send|Write] {name} a message: \"{text}\"", "Tell {name} \"{text}\" by message."], {"status": "=sent"}, "I have sent your message to {name}."),
    (["add_to_cart", "cart_add", "buy_item", "order_product"], ["Puts a product into the cart", "Add an item to the shopping cart"], [("product", ["product", "item", "name"], STR, ["The product"]), ("n", ["quantity", "count", "amount"], INT, ["How many"])],
     ["[Put|Add] {n} times the {product} [into my cart|to the cart].", "[I would like to buy|Order|I want] the {product}, {n} pieces."], {"status": "=added"}, "I have put {n} pieces into the cart: {product}."),
    (["get_news", "news", "latest_news", "headlines"], ["Gets the latest news about a topic", "News on a topic"], [("topic", ["topic", "about", "subject"], STR, ["The topic"])],
     ["[What's new|What is new|Any news] about {topic}?", "[Show me|Give me|Read me] the news about {topic}.", "What are the headlines on {topic}?"], None, None),
    (["create_event", "add_event", "calendar_add", "schedule_meeting"], ["Creates an event in the calendar", "Add a meeting to the calendar"], [("name", ["with", "person", "guest"], STR, ["Who comes"]), ("day", ["day", "date", "when"], STR, ["The day"]), ("time", ["time", "at"], STR, ["The time"])],
     ["[Plan|Schedule|Arrange] a meeting with {name} {day} at {time}.", "I meet {name} {day} at {time}. [Put it into the calendar.|Note it in my calendar.]", "Calendar: {name}, {day}, {time}."], {"status": "=created"}, "The meeting with {name} is in your calendar: {day} at {time}."),
    (["get_population", "population", "city_population"], ["Number of people in a city", "Returns how many people live in a city"], [("city", ["city", "place"], STR, ["The city"])],
     ["How many people live in {city}?", "[What is|What's] the population of {city}?", "How big is {city}?"], {"population": "x"}, "{x} people live in {city}."),
    (["search_products", "find_product", "shop_search", "product_search"], ["Searches the shop for products", "Find products"], [("product", ["query", "product", "name"], STR, ["What to look for"])],
     ["[Do you sell|Do you have|Is there] {a product} in the shop?", "[Find|Search] {a product} in the shop.", "I am looking for {a product}."], {"price": "amount"}, "Yes, there is one for {amount} dollars."),
    (["random_number", "roll_dice", "get_random", "dice"], ["Returns a random number up to a maximum", "Random number between one and max"], [("n", ["max", "maximum", "limit"], INT, ["The maximum"])],
     ["[Give me|Draw|Pick] a random number [up to|from 1 to|between 1 and] {n}.", "Roll a dice with {n} sides."], {"number": "min"}, "The number is {min}."),
    (["get_book", "find_book", "library_search", "book_info"], ["Finds a book in the library", "Search a book by title"], [("book", ["title", "book", "name"], STR, ["The title"])],
     ["[Is|Do you have] the book \"{book}\" [there|in the library]?", "[Find|Look for] the book \"{book}\".", "Who wrote \"{book}\"?"], {"author": "person", "available": "=true"}, "\"{book}\" by {person} is there."),
    (["lock_door", "door_lock", "close_door"], ["Locks a door", "Lock the door of a room"], [("room", ["door", "room", "which"], STR, ["Which door"])], ["[Lock|Close] the door of the {room}[.|, please.]", "Is the {room} locked? If not, lock it."], {"status": "=locked"}, "The door of the {room} is locked."),
    (["get_train", "train_times", "next_train", "train_schedule"], ["Next train between two cities", "Finds train connections"], [("city", ["from", "origin", "start"], STR, ["From"]), ("city2", ["to", "destination", "end"], STR, ["To"])],
     ["When does the [next |]train [leave |go |]from {city} to {city2}[ leave|]?", "[Find|Show me] a train from {city} to {city2}.", "I have to take the train from {city} to {city2}. When does it go?"], {"departure": "time"}, "The next train from {city} to {city2} leaves at {time}."),
]
TEST_TOOLS = [
    (["get_tide", "tide_level"], ["Returns the tide at a harbour city"], [("city", ["harbour", "city"], STR, ["The harbour"])], ["Is the tide high in {city}?", "What is the tide in {city} today?"], None, None),
    (["convert_units", "unit_converter"], ["Converts kilometres to miles"], [("km", ["kilometres", "value"], NUM, ["Kilometres"])], ["How many miles are {km} kilometres?", "Convert {km} kilometres to miles."], None, None),
    (["get_holidays", "public_holidays"], ["Lists the public holidays of a country"], [("country", ["country", "nation"], STR, ["The country"])], ["Which public holidays does {country} have?", "List the holidays of {country}."], None, None),
    (["animal_info", "zoo_lookup"], ["Gives information about an animal in the zoo"], [("animal", ["animal", "species"], STR, ["The animal"])], ["Tell me about the {animal} in the zoo.", "Where in the zoo is the {animal}?"], None, None),
    (["paint_wall", "set_wall_colour"], ["Sets the colour of the smart wall in a room"], [("room", ["room"], STR, ["The room"]), ("colour", ["colour", "color"], STR, ["The colour"])], ["Make the wall in the {room} {colour}.", "Change the wall of the {room} to {colour}."], None, None),
    (["rent_bike", "bike_rental"], ["Rents bikes in a city"], [("city", ["city", "place"], STR, ["Where"]), ("n", ["bikes", "count"], INT, ["How many bikes"])], ["I need {n} bikes in {city}.", "Rent {n} bikes in {city}, please."], None, None),
    (["print_document", "print_file"], ["Prints a document"], [("file", ["document", "file"], STR, ["The document"])], ["Print {file}, please.", "I need {file} on paper. Print it."], None, None),
    (["invite_guest", "send_invitation"], ["Invites a person to the party"], [("name", ["guest", "name"], STR, ["The guest"])], ["Invite {name} to the party.", "Please send an invitation to {name}."], None, None),
]
# made-up tools: any verb with any thing and one or two details, so that reading pays
VERBS = """open close clean check find count wash repair order cancel start stop pause move measure update archive feed water charge scan upload rename
inspect deliver review publish share sort collect pack load test polish wrap empty fill cut mix heat cool dry hang fold build sell show bring hide watch
borrow return mark copy join split weigh draw record register approve reject block unlock tune freeze warm rotate shift lift lower""".split()
DETAILS = [("city", " in {city}", ["city", "place", "where"], STR), ("name", " for {name}", ["person", "customer", "owner"], STR), ("n", " {n} times", ["times", "count", "repeat"], INT),
           ("day", " on {day}", ["day", "date", "when"], STR), ("time", " at {time}", ["time", "at", "hour"], STR), ("room", " in the {room}", ["room", "location"], STR),
           ("order", " with the number {order}", ["id", "number", "code"], STR), ("colour", " that is {colour}", ["colour", "color"], STR), ("min", " for {min} minutes", ["minutes", "duration"], INT),
           ("coin", " called {coin}", ["name", "title", "label"], STR), ("n", " number {n}", ["number", "index", "n"], INT), ("phrase", " with the {phrase}", ["extra", "with", "option"], STR)]
GETTERS = [("city", ["What is the {x} in {city}?", "How is the {x} in {city}?", "Tell me the {x} of {city}.", "I need to know the {x} in {city}."], ["city", "place", "location"], STR),
           ("name", ["What is the {x} of {name}?", "Show me the {x} for {name}.", "Has {name} got a {x}?", "Which {x} does {name} have?"], ["name", "person", "user"], STR),
           ("coin", ["What is the {x} of {coin}?", "Which {x} does {coin} have?", "Give me the {x} of {coin}."], ["name", "subject", "key"], STR),
           ("order", ["What is the {x} of {order}?", "Look up the {x} for {order}.", "Show the {x} with the number {order}."], ["id", "number", "code"], STR),
           ("day", ["What is the {x} for {day}?", "Show me the {x} {day}.", "Is there a {x} {day}?"], ["day", "date"], STR),
           ("n", ["What is the {x} of {n}?", "Give me the {x} for {n}.", "Compute the {x} of {n}."], ["value", "number", "x"], INT)]


def made_up(rng):
    """A tool that nobody has seen: it does something to a thing, or looks something up."""
    noun = one_of(rng, words.NOUNS) if rng.random() < 0.85 else words.coin(rng, False)
    if rng.random() < 0.3:
        noun = one_of(rng, words.ADJECTIVES if rng.random() < 0.6 else words.NOUNS) + " " + noun
    flat = noun.replace(" ", "_")
    if rng.random() < 0.4:
        slot, asks, labels, kind = one_of(rng, GETTERS)
        asks = [a.replace("{x}", noun) for a in asks]
        names = ["get_" + flat, flat + "_lookup", "find_" + flat, flat, flat + "_info", "lookup_" + flat, "query_" + flat]
        label = one_of(rng, labels) if rng.random() < 0.6 else words.label(rng)
        return (names, ["Returns the %s" % noun, "Looks up the %s" % noun, "Get the %s of something" % noun, "Gives you the %s" % noun],
                [(slot, [label], kind, ["The " + labels[0], labels[0].capitalize() + " to look up"])], asks, {one_of(rng, ["result", flat, "value"]): one_of(rng, ["x", "phrase", "coin"])}, None)
    verb = one_of(rng, VERBS)
    details = some_of(rng, DETAILS, one_of(rng, [1, 1, 2]))
    while len({d[0] for d in details}) < len(details):
        details = some_of(rng, DETAILS, 2)
    tail = "".join(d[1] for d in details)
    asks = ["%s the %s%s." % (verb.capitalize(), noun, tail), "Please %s the %s%s." % (verb, noun, tail), "Can you %s the %s%s?" % (verb, noun, tail),
            "I want you to %s the %s%s." % (verb, noun, tail), "The %s%s: %s it, please." % (noun, tail, verb), "%s my %s%s, please." % (verb.capitalize(), noun, tail), "We have to %s the %s%s." % (verb, noun, tail)]
    names = [verb + "_" + flat, flat + "_" + verb, verb + flat.title().replace("_", ""), verb + "_the_" + flat, flat + "_service"]
    params = []
    for slot, _, labels, kind in details:
        label = one_of(rng, labels) if rng.random() < 0.6 else words.label(rng)
        params.append((slot, [label], kind, ["The " + labels[0], labels[0].capitalize()]))
    if len({p[1][0] for p in params}) < len(params):
        params = [(p[0], [p[1][0] + "_%d" % i], p[2], p[3]) for i, p in enumerate(params)]
    return (names, ["%s the %s" % (verb.capitalize(), noun), "Use this to %s a %s" % (verb, noun), "Tool to %s the %s" % (verb, noun), "Can %s the %s" % (verb, noun)], params, asks, {"status": "=done"}, "Done.")


SYSTEMS = ["You are a helpful assistant.", "You are a helpful assistant with tools.", "Use the tools when they help.", "You are a home assistant.", "Call a tool if you need one.", None, None, None, None]
LEADS = ["", "", "", "", "Please: ", "Hi! ", "Hello, ", "Hey, ", "Can you help me? "]


def offer(rng, tool):
    """One presentation of a tool: (JSON spec, name, [(slot, parameter name, type)])."""
    names, descriptions, params, *_ = tool
    name, props, required, used = one_of(rng, names), {}, [], []
    for slot, pnames, ptype, pdescs in params:
        p = one_of(rng, [x for x in pnames if x not in props])
        props[p] = {"type": ptype}
        if rng.random() < 0.6:
            props[p]["description"] = one_of(rng, pdescs)
        required.append(p)
        used.append((slot, p, ptype))
    spec = {"type": "object", "properties": props}
    if rng.random() < 0.9:
        spec["required"] = required
    function = {"name": name, "description": one_of(rng, descriptions), "parameters": spec}
    if rng.random() < 0.1:
        del function["description"]
    return {"type": "function", "function": function}, name, used


def bench(rng, tool, n, pool):
    """The tool that is meant plus n others, shuffled, with different names."""
    others = some_of(rng, [t for t in pool if t is not tool], n)
    others = [made_up(rng) if rng.random() < 0.55 else t for t in others]
    offers = [(offer(rng, t), t) for t in ([tool] if tool else []) + others]
    rng.shuffle(offers)
    seen, out = set(), []
    for o, t in sorted(offers, key=lambda x: x[1] is not tool):
        if o[1] not in seen:
            seen.add(o[1])
            out.append((o, t))
    rng.shuffle(out)
    return out


def draw_args(rng, tool, used):
    slots = {slot: GEN[slot](rng) for slot in GEN}
    while slots["city"] == slots["city2"]:
        slots["city2"] = GEN["city2"](rng)
    return slots, {p: slots[slot] for slot, p, _ in used}


def ask(rng, tool, slots, rough=True):
    env = Env(rng, {k: str(v) for k, v in slots.items()})
    text = env.say(one_of(rng, tool[3]))
    lead = one_of(rng, LEADS)
    return lead + text


def result_of(rng, tool, slots):
    """(text of the tool's result, the model's answer)."""
    fields, answer = tool[4], tool[5]
    if fields is None:
        text = one_of(rng, ["The old mill stands by the river.", "Bees visit about a hundred flowers on one trip.", "No entries found.", "Page 1 of 3: an introduction for beginners.", "A small light that one can carry.",
                            "Chop the onions, fry them and add the rest.", "Meeting moved to Friday.", "Buenos dias", "Es ist spaet.", "Merci beaucoup", "Yesterday a new record was set."])
        return json.dumps({one_of(rng, ["result", "text", "output"]): text}, ensure_ascii=False), one_of(rng, ["Here is the result: %s", "This is what I found: %s"]) % text
    if answer is None:
        key, slot = next(iter(fields.items()))
        return json.dumps({key: slots[slot]}, ensure_ascii=False), "The %s is %s." % (key.replace("_", " "), slots[slot])
    data = {k: (v[1:] if v.startswith("=") else slots[v]) for k, v in fields.items()}
    env = Env(rng, {k: str(v) for k, v in slots.items()})
    return json.dumps(data, ensure_ascii=False), capitalise(env.say(answer))


def other_question(rng):
    """Something that needs no tool: (question, answer)."""
    k = rng.random()
    if k < 0.4:
        f = one_of(rng, facts.FACTS)
        return facts.question(rng, f, "train"), f["answer"]
    chat = Chat("x")
    if k < 0.7:
        q, a, _ = knowledge.fact_pair(rng, "train")
        return q, a
    smalltalk.exchange(rng, chat, "train")
    return chat.messages[0]["content"], chat.messages[1]["content"]


def make(rng, split, system=None):
    pool = TOOLS if split == "train" else TEST_TOOLS + TOOLS
    tool = one_of(rng, TOOLS if split == "train" else TEST_TOOLS)
    if split == "train" and rng.random() < 0.6:
        tool = made_up(rng)
    offers = bench(rng, tool, rng.choice([0, 1, 1, 2, 2, 3]) if split == "train" else rng.choice([1, 2, 3]), pool)
    chat = Chat("tools", system or one_of(rng, SYSTEMS), [o[0] for o, _ in offers])
    if split == "test":
        chat.messages = []
    spec, name, used = next(o for o, t in offers if t is tool)
    r = rng.random()
    if split == "train" and r < 0.13:
        q, a = other_question(rng)
        chat.user(roughen(q, rng)).bot(a)
        return chat
    if split == "train" and r < 0.17:
        # what is wanted is not on offer
        away = made_up(rng) if rng.random() < 0.5 else one_of(rng, [t for t in TOOLS if all(t is not x for _, x in offers)])
        q = ask(rng, away, draw_args(rng, away, [])[0])
        chat.user(q).bot(one_of(rng, ["I am sorry, I have no tool for that.", "I am sorry, I have no tool for that."]))
        return chat
    slots, args = draw_args(rng, tool, used)
    question = ask(rng, tool, slots)
    chat.user(roughen(question, rng) if split == "train" and question.islower() else question)
    if split == "test":
        return chat.call((name, args))
    if r < 0.24 and len(used) == 1:
        # two calls of the same tool in one turn
        slot, p, _ = used[0]
        second = GEN[slot](rng)
        if second != args[p] and str(args[p]) in question:
            chat.messages[-1]["content"] = question.replace(str(args[p]), "%s and %s" % (args[p], second), 1)
            chat.call((name, args), (name, {p: second}))
            return chat
    chat.call((name, args))
    while rng.random() < 0.75:
        text, answer = result_of(rng, tool, slots)
        chat.tool(text).bot(answer)
        r = rng.random()
        if r < 0.5:
            break
        if r < 0.65:
            chat.user(one_of(rng, ["Thanks!", "Thank you.", "Great, thanks!"])).bot("You are welcome!")
            break
        (spec, name, used), tool = one_of(rng, offers)
        slots, args = draw_args(rng, tool, used)
        chat.user(ask(rng, tool, slots)).call((name, args))
    return chat


