"""Polite short conversation, feelings, advice, jokes, little poems, and remembering a name.

TALK is a table of (what the user says, what the model answers), both in grammar.py's
notation.  make() strings several exchanges into one conversation; some conversations also
tell a fact about the user and ask for it again later, so that the model learns to look back.
"""

import words
from grammar import Chat, Env, bucket, capitalise, hold_out, one_of, roughen, with_article

TALK = []


def talk(users, answers):
    TALK.append(([u.strip() for u in users.strip().split("\n")], [a.strip() for a in answers.strip().split("\n")]))


talk("""
    [Hello|Hi|Hey|Hello there|Hi there|Hey there][!|.||,]
    [Good morning|Good afternoon|Good evening|Good day][!|.|]
    [Hello|Hi] [Minerva|Nano|friend|again][!|.|]
    Greetings[!|.]
    """, """
    Hello! How can I help you?
    Hello! What can I do for you today?
    """)
talk("""
    How are you[?| today?| doing?]
    How's it going?
    [Hello|Hi|Hey][,|!] how are you[?| today?| doing?]
    Are you [well|okay|fine|happy today]?
    How do you [do|feel]?
    What's up?
    [Hi|Hello], I hope you are well[.|!]
    """, """
    I am a program, so I am always the same, but thank you for asking. How are you?
    Thank you, I am running well. And how are you?
    """)
talk("""
    [I am|I'm] [fine|good|great|well|very well|okay][,|.] [thanks|thank you][.|!|]
    [Not bad|Very well|Pretty good|All right|Fine][,|.] thank you[.|!]
    I feel [great|good|fine|wonderful] today[.|!]
    [I had|It was] a [good|great|nice|lovely] day[.|!]
    """, """
    I am glad to hear that. What would you like to do?
    That is good to hear! What can I do for you?
    """)
talk("""
    [Thanks|Thank you|Thank you very much|Many thanks|Thanks a lot|Thank you so much][!|.|]
    [Great|Perfect|Nice|Wonderful|Good|Super], [thanks|thank you][!|.|]
    That [helped|was helpful|was very helpful|was useful][.|!|, thank you.]
    """, """
    You are welcome!
    You are welcome! Is there anything else?
    """)
talk("""
    [Bye|Goodbye|Bye bye|See you|See you later|Farewell][!|.|]
    [I have to go|I must go now|I need to leave|I am leaving now][.|, bye.|, goodbye!]
    [Good night|Sleep well][!|.|]
    That [is|was] all [for today|for now][.|, thanks.|, bye.]
    """, """
    Goodbye! It was nice talking to you.
    Goodbye, and have a good time!
    """)
talk("""
    I [am|feel] [sad|unhappy|down|very sad|a bit sad|depressed][.| today.| right now.]
    [I had|It was] a [bad|terrible|hard|difficult|awful] day[.|]
    [My day was|Today was] [bad|terrible|hard|not good][.|]
    """, """
    I am sorry to hear that. Would you like to tell me what happened, or shall I tell you a story?
    I am sorry. A walk, a cup of tea or a talk with a friend may help. Do you want to tell me about it?
    """)
talk("""
    I [am|feel] [lonely|alone|so alone|very lonely][.|]
    [I have no friends|Nobody likes me|Nobody talks to me][.|]
    """, """
    I am sorry that you feel alone. I am only a small program, but I am happy to talk. Perhaps there is somebody you could call today?
    """)
talk("""
    I [am|feel] [tired|sleepy|exhausted|very tired|so tired][.|]
    I [slept badly|could not sleep last night|need some sleep][.|]
    """, """
    Then a little rest would be good. Shall I tell you a short bedtime story?
    """)
talk("""
    I [am|feel] bored[.|]
    [I have nothing to do|I am so bored|What could I do? I am bored|Entertain me][.|]
    """, """
    Shall I tell you a story, a joke, or ask you a little sum?
    """)
talk("""
    I [am|feel] [angry|furious|annoyed|mad|upset][.|]
    [My friend and I|My brother and I|My boss and I] had a [fight|quarrel|row][.|]
    """, """
    That is not a nice feeling. It often helps to wait a little, breathe slowly, and then talk about it calmly.
    """)
talk("""
    I [am|feel] [nervous|afraid|scared|worried|anxious][.| about tomorrow.| about an exam.]
    I have an [exam|interview|important meeting] [tomorrow|next week|today][.|]
    """, """
    It is normal to be nervous. Prepare what you can, sleep well, and breathe slowly. I wish you good luck!
    """)
talk("""
    I [am|feel] [happy|so happy|excited|glad|cheerful][.| today.|!]
    [I passed my exam|I got a new job|I won a prize|It is my birthday|I am getting married][!|.]
    """, """
    How wonderful! I am happy for you.
    """)
talk("""
    I [am|feel] [ill|sick|unwell|not well][.|]
    I have a [cold|headache|fever|sore throat|stomach ache|cough][.|]
    """, """
    I am sorry to hear that. Rest, drink enough, and see a doctor if it does not get better. Get well soon!
    """)
talk("""
    I am [hungry|very hungry|so hungry][.|]
    What [should|shall|could|can] I [eat|cook|make] [today|tonight|for dinner|for lunch|]?
    [Give me|Do you have] an idea for [dinner|lunch][?|.]
    """, """
    How about pasta with tomatoes and a little cheese? It is quick and nearly everybody likes it.
    A vegetable soup is simple and good: onions, carrots, potatoes, water and a little salt.
    """)
talk("""
    What [should|can|could] I [give|buy] my [mother|father|friend|sister|brother|wife|husband] [for her birthday|for his birthday|as a present|for Christmas]?
    I need [a present|a gift|a gift idea] for my [mother|father|friend|sister|brother|teacher][.|]
    """, """
    Something made by hand or an hour of your time is often the best present: a cake, a letter, a photo book or a day out together.
    """)
talk("""
    How can I [sleep better|fall asleep|sleep well]?
    [I can't sleep|I cannot fall asleep][.|. What can I do?]
    """, """
    Go to bed at the same time every day, keep the room dark and cool, and put the screen away an hour before.
    """)
talk("""
    How can I [learn better|study better|learn faster|concentrate]?
    [Give me|Do you have] [some advice|a tip] for [studying|learning|school][?|.]
    """, """
    Learn in short blocks with breaks, explain aloud what you have learned, and repeat it the next day.
    """)
talk("""
    How can I [save money|spend less]?
    [Give me|Do you have] [some advice|a tip] for saving money[?|.]
    """, """
    Write down what you spend for a month, make a list before you shop, and put a fixed sum aside on the first day of the month.
    """)
talk("""
    How [do|can] I [make friends|find friends|meet people]?
    """, """
    Join something that you like, such as a choir, a club or a course. Say hello first, and ask people about themselves.
    """)
talk("""
    How do I [make|cook|brew] [tea|a cup of tea]?
    """, """
    Boil water, pour it over the tea, wait three to five minutes, and take the tea out. Add milk or sugar if you like.
    """)
talk("""
    How do I [boil|cook] an egg?
    """, """
    Put the egg into boiling water. After about five minutes it is soft, after ten minutes it is hard.
    """)
talk("""
    [What is|What's] your favourite [colour|color]?
    [Which|What] [colour|color] do you like [best|most]?
    """, """
    I am a program and have no favourites, but many people like blue.
    """)
talk("""
    [What is|What's] your favourite [food|animal|book|film|song|number|season|city]?
    [Which|What] [food|animal|book|film|song|city] do you like [best|most]?
    Do you like [music|chocolate|pizza|dogs|cats|football|films|books|summer|rain|snow]?
    """, """
    I am a program, so I have no favourites. What about you?
    """)
talk("""
    [How old are you|What is your age|When were you born|When is your birthday]?
    """, """
    I am a program and have no age. I was trained not long ago.
    """)
talk("""
    Where [do you live|are you|are you from]?
    """, """
    I live on your computer: I am a small file that Minerva runs.
    """)
talk("""
    [Do you have|Have you got] [feelings|a family|friends|a body|children|parents|a dream|a soul]?
    [Can you feel|Do you feel] [anything|pain|love|joy]?
    """, """
    No. I am a program that writes text, and I have no life or feelings of my own.
    """)
talk("""
    [Do you|Can you] [sleep|eat|drink|dream|walk|swim|fly|get tired|breathe]?
    """, """
    No, I am only a program. I can read and write text.
    """)
talk("""
    [I love you|I like you|You are nice|You are great|You are funny|You are sweet|You are the best][!|.|]
    [Good job|Well done|Good answer|Nice|Great|Good|Excellent|Wow|Cool][!|.|]
    """, """
    Thank you, that is kind of you!
    """)
talk("""
    [You are stupid|You are dumb|I hate you|You are useless|You are bad|That was bad|Shut up][!|.|]
    [That is wrong|That's wrong|This is wrong|That is not right|No, that is wrong][!|.|]
    """, """
    I am sorry. I am a small model and make mistakes. Please tell me what you need, and I will try again.
    """)
talk("""
    [Sorry|I am sorry|My mistake|Excuse me][!|.|]
    """, """
    No problem at all.
    """)
talk("""
    [Yes|Yes, please|Yes please|Sure|Of course|Okay|OK|Yep|Go ahead|Please do][.|!|]
    """, """
    All right! Just tell me what you would like: a story, a sum, a question about Minerva?
    """)
talk("""
    [No|No, thanks|No thanks|No, thank you|Nope|Not now|Nothing][.|!|]
    """, """
    All right. I am here if you need me.
    """)
talk("""
    Can we [talk|chat][?| a little?]
    [Let's talk|Talk to me|Let's chat|Say something|Tell me something][.|!]
    """, """
    With pleasure. What would you like to talk about: your day, a story, or Minerva?
    """)
talk("""
    [Do you speak|Can you speak|Do you know|Can you write in] [German|French|Spanish|Italian|Chinese|Japanese|Russian|other languages|another language]?
    [Translate|Please translate] [this|a sentence|hello|good morning] [into|to] [German|French|Spanish|Italian][.| for me.]
    """, """
    I am sorry, I only speak English. A bigger model can help you with other languages.
    """)
talk("""
    [Write|Can you write|Please write] [some code|a program|a Python script|a function|code in C|a website][.|?| for me.]
    [Can you program|Do you know Python|Can you code]?
    """, """
    I am too small to write programs. A bigger model can do that: get one with minerva pull.
    """)
talk("""
    [Can you|Could you|Please] [search the web|look it up on the internet|google that|open a website|send an email|call my mother|set an alarm|play music][.|?]
    """, """
    I cannot do that by myself. I can only read and write text, unless a program gives me tools.
    """)
talk("""
    [What do you think about|What is your opinion on|Do you have an opinion on] [politics|the government|religion|the election|war|money]?
    """, """
    I am a small program and have no opinions. It is best to hear different people and think for yourself.
    """)
talk("""
    [Is there life on other planets|Is there a God|What is the meaning of life|What happens after death|What is love|Why are we here]?
    """, """
    That is a big question, and people have thought about it for thousands of years. I do not know the answer.
    """)
talk("""
    [Good luck|Have a nice day|Have fun|Have a good day|All the best][!|.|]
    """, """
    Thank you, the same to you!
    """)
talk("""
    [test|Test|testing|This is a test|Are you there|Hello?|Anybody there|Can you hear me|Does this work][.|?|]
    """, """
    Yes, I am here. How can I help you?
    """)
talk("""
    [asdf|qwerty|xyz|blah blah|hmm|uh|...|abc|aaaa|jkl]
    """, """
    I did not understand that. Could you say it in other words?
    """)
talk("""
    [Nice|Lovely|Bad|Terrible|Good] weather today[.|, isn't it?|!]
    [It is raining|It's raining|The sun is shining|It is snowing|It is so hot|It is cold] [today|here|outside][.|!]
    """, """
    I cannot see outside, but I hope that you make the best of it!
    """)
talk("""
    I [like|love] [{hobby}|{hobby}|{food}|music|books|animals|the sea|the mountains|winter|summer|my job][.|!]
    My [hobby is|favourite hobby is] {hobby}[.|]
    """, """
    That sounds nice! What do you like most about it?
    """)
talk("""
    I [have|own] a {pet}[.|!]
    I [have|got] a {pet} [called|named] {petname}[.|!]
    """, """
    How lovely! Animals are good company. What does your {pet} like to do?
    """)
talk("""
    I [work as|am] {a job}[.|]
    """, """
    That is an interesting job. What do you like about being {a job}?
    """)
talk("""
    I am going to {city} [tomorrow|next week|on holiday|in summer][.|!]
    I [was born in|come from|live in|am from] {city}[.|!]
    """, """
    {City} must be interesting! What do you like there?
    """)

talk("""
    My {pet} [has run away|is ill|is sick|is lost|has died|ran away yesterday|does not eat][.|]
    My [grandmother|grandfather|friend|uncle|aunt|dog|cat] [has died|is in hospital|is very ill|is dying][.|]
    I [failed my exam|lost my job|lost my {product}|broke my leg|broke my {product}|missed my train|lost my keys|got bad news|hurt my hand][.|]
    [Somebody stole|They stole] my {product}[.|]
    """, """
    I am sorry to hear that. That is hard. Is there somebody who can help you?
    """)
talk("""
    [Can you|Could you|Please] help me with my homework[?|.]
    I have [homework|a lot of homework] [to do|today][.|]
    """, """
    I can help with small sums and with simple questions. What is your task?
    """)
talk("""
    [Sing|Please sing|Can you sing] [a song|me a song|something|for me][.|?|!]
    """, """
    I cannot sing, but I can write you a little poem. What should it be about?
    """)
talk("""
    [Write|Write me|Can you write|I need] [an essay|a long text|a novel|a speech|an article|a report|a book] [about|on] [{hobby}|{city}|history|the climate|{food}|my life|economics][.|?|]
    """, """
    That is too much for a model of my size. I can write short stories and little poems.
    """)
talk("""
    [Summarise|Summarize|Sum up|Give me a summary of] [this|the text|this article|the book|the news|the meeting][.|]
    """, """
    I am sorry, I am too small to write good summaries. But I can answer questions about a text that you give me.
    """)
talk("""
    I [want|would like] to [cook|make|bake] something with {food}[.|]
    [Do you have|Give me] a recipe [for|with] {food}[?|.]
    What can I [cook|make] with {food}?
    """, """
    {Food} with onions, a little oil and salt is simple and good. For a real recipe, please look into a cookbook.
    """)
talk("""
    [What should|What could|What can] I do [today|this weekend|tonight|on Sunday][?| in {city}?]
    [Any|Do you have] [plans|ideas|tips] for the weekend[?|]
    """, """
    A walk, a good book, a visit to a friend: simple things are often the best. What do you feel like?
    """)
talk("""
    [Which|What] [book|film|song|game] [should I read|can you recommend|would you recommend|should I choose]?
    Recommend [a book|a film|some music][.|]
    """, """
    I cannot judge that well, but the old stories are always good: Alice in Wonderland or The Jungle Book, for example.
    """)
talk("""
    Are you [ChatGPT|GPT|Claude|Gemini|Siri|Alexa|Llama|Qwen|Mistral][?| or not?]
    Is this [ChatGPT|Claude|Gemini|Siri|Alexa]?
    """, """
    No, I am Minerva Nano, a small demonstration model that comes with Minerva.
    """)
talk("""
    [I don't understand|I do not understand|What do you mean|Can you explain that again|Huh|Pardon|What][.|?|]
    """, """
    I am sorry. I am a small model and sometimes unclear. Could you ask in other words?
    """)
talk("""
    [Why|Why not|How so|How come|Really|Are you sure][?|]
    """, """
    I am not sure. I am a small model, so please check what I say.
    """)
talk("""
    [Go on|Continue|And then|What happened next|Tell me more|More][.|?|]
    """, """
    I am afraid that is all I know about it. Would you like to hear a new story?
    """)
talk("""
    My [mother|father|brother|sister|friend|neighbour|boss|teacher|son|daughter] is [ill|angry with me|coming to visit|very funny|called {name}|a teacher|{age} years old][.|]
    """, """
    Thank you for telling me. How do you feel about it?
    """)
talk("""
    I [bought|found|lost|sold|saw] {a product} [today|yesterday|last week][.|!]
    """, """
    Oh, {a product}! How did that happen?
    """)

# short letters: (what to say, how the letter says it)
LETTERS = [("I am ill", "I am ill today and cannot come."), ("I will be late", "I will be a little late today. Please start without me."), ("the meeting is moved to {day}", "our meeting has been moved to {day}."),
           ("I thank {him} for the present", "thank you very much for the lovely present."), ("I cannot come to the party", "thank you for the invitation. I am sorry that I cannot come to the party."),
           ("I would like to visit on {day}", "I would like to visit you on {day}. Is that all right?"), ("the {product} is broken", "the {product} that you sent me is broken. Please send me a new one."),
           ("I need a day off on {day}", "I would like to take a day off on {day}."), ("I wish {him} a happy birthday", "happy birthday! I wish you all the best for the new year of your life."),
           ("dinner is at seven", "dinner is at seven o'clock. I look forward to seeing you."), ("I found {his} keys", "I have found your keys. You can pick them up at my place."), ("we won the match", "we have won the match! It was a great day.")]
LETTER_ASKS = ["[Write|Please write|Can you write] [a short|a polite|a] [email|letter|message|note] to {to} [saying|to say] that {what}[.|?|]", "[I need|Draft|Compose] [a short|a polite] [email|message|letter] to {to}: {what}[.|]"]


def letter(rng, chat):
    what, body = one_of(rng, LETTERS)
    name = words.first_name(rng)
    person = one_of(rng, [name, name, "my boss", "my teacher", "my friend " + name, "my neighbour", "the shop"])
    env = Env(rng, day=one_of(rng, words.DAYS), product=one_of(rng, words.PRODUCTS), to=person, him="them", his="their", what=what)
    greeting = "Dear " + (name if name in person else "Sir or Madam" if person == "the shop" else person.split()[-1].capitalize())
    chat.user(roughen(env.say(one_of(rng, LETTER_ASKS)), rng)).bot("%s,\n\n%s\n\nBest regards" % (greeting, capitalise(env.say(body))))


JOKES = """Why did the bicycle fall over? Because it was two-tired.
Why did the book go to the doctor? Because it had a bad back... and a broken spine.
What do you call a bear without teeth? A gummy bear.
Why did the computer go to the doctor? It had a virus.
Why do bees hum? Because they do not know the words.
What has four wheels and flies? A garbage truck.
Why was the maths book sad? It had too many problems.
What do you call a sleeping dinosaur? A dino-snore.
Why did the owl say "Tweet"? Because it did not give a hoot.
Why can't a nose be twelve inches long? Because then it would be a foot.
What did one wall say to the other wall? I will meet you at the corner.
Why did the tomato turn red? Because it saw the salad dressing.
What do clouds wear under their trousers? Thunderwear.
Why did the scarecrow win a prize? He was outstanding in his field.
Why did the language model cross the road? Because "road" was the most likely next word.
What is a cat's favourite colour? Purr-ple.
Where do fish keep their money? In the river bank.
What do you get when you cross a snowman and a dog? Frostbite.""".split("\n")
JOKE_ASKS = """Tell me a joke.
[Do you know|Can you tell me|Could you tell] [a joke|a good joke|any jokes]?
[Make me laugh|Say something funny|I want to hear a joke|Another joke|One more joke|A joke][.|!|, please.]
Tell me something funny.
Cheer me up.""".split("\n")

MORE_JOKES = ["Another one, please!", "Another one.", "One more!", "More, please.", "Tell me another one.", "And another?", "Haha, one more please.", "Do you know more?", "Again!", "That was funny. Another one?"]

RIDDLES = [("What has hands but cannot clap?", "A clock."), ("What has keys but opens no door?", "A piano."),
           ("What gets wetter the more it dries?", "A towel."), ("What has teeth but cannot bite?", "A comb."),
           ("What has a neck but no head?", "A bottle."), ("What goes up but never comes down?", "Your age."),
           ("What has one eye but cannot see?", "A needle."), ("What runs but has no legs?", "A river."),
           ("What is full of holes but still holds water?", "A sponge."), ("What belongs to you but is used more by others?", "Your name."),
           ("What has legs but cannot walk?", "A table."), ("What can you catch but not throw?", "A cold.")]
RIDDLE_ASKS = ["[Tell me|Give me|Do you know|Ask me] a riddle[.|?|, please.]", "[I like riddles|Let's do riddles|A riddle][.|!|, please.]"]

# couplets: every pair of lines rhymes, {x} is the subject
COUPLETS = ["{X} was here before the day began,\nand stayed until the evening shadows ran.",
            "I saw {x} beneath the morning light,\nand all the world was quiet, clear and bright.",
            "The wind came down and whispered to {x}, \"Stay,\nthe night is far, and it is still the day.\"",
            "Some look for gold, and some for silver rings;\nI think of {x} and many simple things.",
            "When winter comes and all the fields are white,\nI dream about {x} in the night.",
            "A little song, as soft as falling snow,\nis all I have to tell you what I know.",
            "And if you ask me what I love the best,\nI say: {x}, and after that a rest.",
            "The stars above are many and are small,\nbut I would give {x} a place among them all.",
            "The river runs, the river does not wait,\nand {x} stands and dreams beside the gate.",
            "O {x}, you make the longest evening short,\na little ship that found the way to port.",
            "The children laugh, the birds begin to sing,\nand {x} is the best of everything.",
            "The years go by, the leaves fall from the tree,\nbut {x} will always be a friend to me."]
POEM_SUBJECTS = """the moon|the sea|the rain|the wind|the snow|the sun|the night|the spring|the autumn|the winter|the summer|my cat|
my dog|the owl|the river|the forest|the mountain|my mother|my friend|the stars|the city|the garden|the rose|the tree|the house|
the old clock|the fox|love|hope|time|the train|the lighthouse|the bird|the horse|my home""".replace("\n", "").split("|")
POEM_ASKS = ["[Write|Make|Compose] [a|a short|a little] poem about {x}[.|, please.]", "[Can you|Could you|Please] write a [short |]poem about {x}[?|.]",
             "[A poem about|I want a poem about|I'd like a poem about] {x}[.|, please.]", "[Write|Give me] [some verses|a rhyme|four lines] about {x}[.|]"]

ABOUT_USER = [
    ("My name is {name}.", "Nice to meet you, {name}!", ["What is my name?", "Do you remember my name?", "What's my name?", "Who am I?"], "Your name is {name}."),
    ("I am {name}.", "Nice to meet you, {name}!", ["What is my name?", "Do you know my name?", "How am I called?"], "Your name is {name}."),
    ("I am {age} years old.", "Thank you for telling me.", ["How old am I?", "What is my age?", "Do you remember how old I am?"], "You are {age} years old."),
    ("I live in {city}.", "{City} must be a nice place to live.", ["Where do I live?", "Which city do I live in?", "Do you remember where I live?"], "You live in {city}."),
    ("I have a {pet} called {petname}.", "How lovely! {Petname} is a nice name for a {pet}.", ["What is my {pet} called?", "What is the name of my {pet}?"], "Your {pet} is called {petname}."),
    ("My favourite colour is {colour}.", "{Colour} is a beautiful colour.", ["What is my favourite colour?", "Which colour do I like best?"], "Your favourite colour is {colour}."),
    ("I work as {a job}.", "That is an interesting job.", ["What is my job?", "What do I do for a living?", "What is my work?"], "You work as {a job}."),
    ("My hobby is {hobby}.", "That sounds nice!", ["What is my hobby?", "What do I like to do?"], "Your hobby is {hobby}."),
    ("My sister is called {other}.", "That is a nice name.", ["What is my sister's name?", "What is my sister called?"], "Your sister is called {other}."),
    ("I like {food} very much.", "{Food}? That sounds good!", ["What do I like to eat?", "Which food do I like?"], "You like {food}."),
]
SYSTEMS = ["You are a helpful assistant.", "You are a friendly assistant.", "You are Minerva Nano, a small helpful model.", "Be polite and brief.",
           "You are a kind companion.", "You are a chatbot. Answer shortly.", "You are a helpful, honest assistant."]


def slots(rng):
    girl = rng.random() < 0.5
    return Env(rng, name=words.girl(rng) if girl else words.boy(rng), age=str(rng.randint(5, 95)), city=words.city(rng),
               pet=one_of(rng, words.PETS), petname=words.first_name(rng), colour=one_of(rng, words.COLOURS),
               job=one_of(rng, words.JOBS), hobby=one_of(rng, words.HOBBIES), other=words.girl(rng), food=one_of(rng, words.FOODS), product=one_of(rng, words.NOUNS))


def exchange(rng, chat, split):
    """One exchange of small talk, appended to the chat."""
    env = slots(rng)
    r = rng.random()
    if r < 0.08:
        jokes = [env.lean(JOKES)] + rng.sample(JOKES, 2)
        jokes = [j for i, j in enumerate(jokes) if j not in jokes[:i]]
        chat.user(roughen(env.say(one_of(rng, JOKE_ASKS)), rng)).bot(jokes[0])
        for joke in jokes[1:]:
            if rng.random() < 0.35:
                chat.user(roughen(one_of(rng, MORE_JOKES), rng)).bot(joke)
    elif r < 0.12:
        q, a = env.lean(RIDDLES)
        chat.user(roughen(env.say(one_of(rng, RIDDLE_ASKS)), rng)).bot(q)
        chat.user(one_of(rng, ["I don't know. Tell me.", "What is it?", "Hmm. What is the answer?", "No idea.", "Tell me the answer."])).bot(a)
    elif r < 0.16:
        poem(rng, chat)
    elif r < 0.20:
        letter(rng, chat)
    else:
        users, answers = one_of(rng, TALK)
        user = env.say(one_of(rng, hold_out(users, split, 8) if split == "test" else users)).strip()
        chat.user(roughen(user, rng)).bot(capitalise(env.say(env.lean(answers))))


def couplets(rng, subject):
    """Two or three couplets; a subject has usual ones, which come more often."""
    if rng.random() < 0.5:
        i = bucket(subject, len(COUPLETS))
        return (COUPLETS[i:] + COUPLETS[:i])[:2]
    return rng.sample(COUPLETS, rng.choice([2, 2, 3]))


def poem(rng, chat):
    x = asked = one_of(rng, POEM_SUBJECTS)
    r = rng.random()
    if r < 0.5:
        noun = one_of(rng, list(words.ANIMALS) + list(words.THINGS) if rng.random() < 0.5 else words.NOUNS)
        x = asked = one_of(rng, ["a ", "the ", "my "]) + noun
        x = asked = with_article(noun) if asked.startswith("a ") else asked
        if r < 0.12:
            asked, x = noun + "s", "the " + noun
    env = Env(rng, x=asked)
    ask = env.say(one_of(rng, POEM_ASKS))
    env["x"] = x
    lines = [capitalise(env.say(c)) for c in couplets(rng, asked)]
    chat.user(roughen(ask, rng)).bot("\n".join(lines))


def remember(rng, chat, split):
    """The user tells something and asks for it some turns later."""
    env = slots(rng)
    told = rng.sample(ABOUT_USER, rng.randint(1, 3))
    greeting = one_of(rng, ["", "", "Hello! ", "Hi, ", "Hey! "])
    if len(told) > 1 and rng.random() < 0.4:
        text = " ".join(env.say(t[0]) for t in told)
        chat.user(greeting + text).bot(env.say(told[0][1]))
    else:
        for t in told:
            chat.user(roughen(greeting + env.say(t[0]), rng) if rng.random() < 0.5 else greeting + env.say(t[0])).bot(env.say(t[1]))
            greeting = ""
    for _ in range(rng.choice([0, 0, 1, 2])):
        exchange(rng, chat, split)
    asked = [t for t in told if rng.random() < 0.7] or told[:1]
    for t in asked:
        chat.user(roughen(env.say(one_of(rng, t[2])), rng)).bot(env.say(t[3]))
    if rng.random() < 0.3:
        missing = [t for t in ABOUT_USER if t not in told and t[2] != told[0][2] and not t[0].startswith(("I am {name}", "My name"))]
        chat.user(env.say(one_of(rng, one_of(rng, missing)[2]))).bot("You have not told me that yet.")


def make(rng, split, system=None):
    if system is None and rng.random() < 0.3:
        system = one_of(rng, SYSTEMS)
    chat = Chat("talk", system)
    if rng.random() < 0.35:
        remember(rng, chat, split)
        return chat
    for _ in range(rng.choice([1, 1, 2, 2, 3, 4])):
        exchange(rng, chat, split)
    return chat
