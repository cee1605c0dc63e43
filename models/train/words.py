"""The lexicon that the generators share: names, animals, people, objects, places.

Plain data.  A noun's "gender" is the pronoun a story uses for it; animals take either.
Lists end in held-out members only where a generator says so (hold_out in grammar.py).
"""

GIRLS = """Lily Emma Anna Mia Zoe Clara Rosa Nina Lucy Ella Maya Ivy Ruby Nora Alice Sophie Grace Hana
Leila Amara Priya Mei Yuki Ingrid Freya Elsa Carmen Lucia Paula Irene Eva Olga Vera Tanya Daria Fatima Aisha
Zara Noor Salma Chiara Giulia Elena Marta Beatriz Ines Joana Camille Juliette Margot Heidi Greta Lotte Anneke
Sofia Julia Emily Hannah Charlotte Abigail Laura Sarah Rachel Rebecca Naomi Esther Miriam Tamar Dalia Yasmin
Layla Kavya Ananya Lakshmi Sunita Mina Jin Sakura Aiko Keiko Linh Mai Thuy Nadia Petra Katya Milena Bruna
Teresa Pilar Rosalind Matilda Edith Agnes Harriet Florence Daisy Poppy Hazel Willow Violet Penny Molly Tilly
Bella Stella Luna Nell Wanda Dora Tess Kitty Maggie Olive Pearl Fern Robin June""".split()

BOYS = """Tom Ben Sam Max Leo Jack Oliver Noah Finn Hugo Oscar Felix Theo Henry George Arthur Peter Paul
Mark Luke Adam David Daniel Simon Martin Victor Ivan Boris Pavel Milan Luka Marco Paolo Luca Matteo Diego Pablo
Carlos Miguel Rafael Tiago Andre Bruno Louis Pierre Jules Emile Hans Karl Otto Fritz Lars Sven Erik Olaf Nils
Anders Omar Ali Hassan Karim Yusuf Ibrahim Samir Amir Reza Arjun Ravi Rohan Vikram Anil Kenji Hiro Takeshi Jun
Wei Ming Chen Minh Duc Kofi Kwame Tunde Emeka Jabari Isaac Jacob Aaron Elias Caleb Ethan Owen Dylan Rhys Callum
Ewan Angus Patrick Sean Liam Walter Albert Edgar Ernest Ralph Stanley Charlie Freddie Toby Jasper Rufus Barney
Monty Gus Archie Teddy Billy Nico Rex Pip Milo Basil""".split()

SURNAMES = """Smith Jones Brown Taylor Wilson Davies Evans Thomas Roberts Walker Wright Robinson Thompson White
Hughes Edwards Green Hall Wood Harris Martin Jackson Clarke Lewis Turner Hill Cooper Ward Morris Moore King Baker
Bell Cook Parker Bennett Carter Ellis Foster Gray Hunt Knight Lane Mason Nash Olsen Palmer Quinn Reed Shaw Stone
Tucker Underwood Vance Webb York Garcia Lopez Martinez Gomez Ruiz Torres Silva Santos Costa Rossi Bianchi Ferrari
Romano Dubois Moreau Laurent Leroy Muller Schmidt Schneider Fischer Weber Wagner Becker Hoffmann Novak Horvat Kovacs
Nagy Popov Ivanova Petrov Larsen Hansen Nilsson Berg Lindqvist Virtanen Okafor Mensah Diallo Nkosi Abebe Haddad
Khan Patel Sharma Singh Gupta Rao Nguyen Tran Kim Park Choi Sato Suzuki Tanaka Yamamoto Wang Zhang Liu Wong
Cohen Levi Katz Papadopoulos Demir Yilmaz""".split()

# animal: (where it lives, what it eats, what it says or does)
ANIMALS = {
    "fox": ("in a den under an old oak", "blackberries"), "mouse": ("in a hole behind the kitchen stove", "cheese"),
    "rabbit": ("in a burrow at the edge of a meadow", "carrots"), "hare": ("in a field of tall grass", "clover"),
    "bear": ("in a cave on the side of a mountain", "honey"), "wolf": ("in a dark pine forest", "stew"),
    "owl": ("in a hollow tree", "pies"), "hedgehog": ("under a pile of autumn leaves", "apples"),
    "squirrel": ("high up in a chestnut tree", "nuts"), "badger": ("in a warm house under the hill", "mushrooms"),
    "cat": ("in a cottage by the sea", "fish"), "kitten": ("in a basket by the fire", "milk"),
    "dog": ("on a farm at the end of the road", "bones"), "puppy": ("in a small house with a red door", "biscuits"),
    "horse": ("on a farm in a green valley", "oats"), "pony": ("in a stable behind the mill", "apples"),
    "cow": ("in a field beside the river", "grass"), "pig": ("on a muddy little farm", "turnips"),
    "goat": ("on a rocky hill", "thistles"), "sheep": ("on a windy hillside", "grass"),
    "lamb": ("in a meadow full of daisies", "clover"), "donkey": ("beside an old windmill", "hay"),
    "hen": ("in a henhouse near the barn", "corn"), "rooster": ("on a farm by the woods", "corn"),
    "duck": ("on a quiet pond", "bread"), "duckling": ("among the reeds of a pond", "seeds"),
    "goose": ("by the village pond", "barley"), "swan": ("on a silver lake", "water lilies"),
    "frog": ("in a pond full of lilies", "flies"), "toad": ("under a stone in the garden", "beetles"),
    "turtle": ("beside a slow brown river", "lettuce"), "tortoise": ("in a sunny garden", "lettuce"),
    "snail": ("under a cabbage leaf", "lettuce"), "beetle": ("under a mossy log", "leaves"),
    "ant": ("in an anthill by the path", "crumbs"), "bee": ("in a hive in the orchard", "nectar"),
    "butterfly": ("in a garden of roses", "nectar"), "caterpillar": ("on a green leaf", "leaves"),
    "spider": ("in the corner of a barn", "soup"), "cricket": ("behind the fireplace", "crumbs"),
    "ladybird": ("on a rose bush", "dew"), "firefly": ("in the tall summer grass", "dew"),
    "sparrow": ("under the roof of a church", "seeds"), "robin": ("in a hedge near a farmhouse", "worms"),
    "crow": ("at the top of a bare tree", "cherries"), "raven": ("in an old stone tower", "figs"),
    "magpie": ("in a nest full of shiny things", "cherries"), "pigeon": ("on the roof of a busy station", "crumbs"),
    "parrot": ("in a warm green jungle", "mangoes"), "eagle": ("on a high cliff", "fish"),
    "penguin": ("on an island of ice", "fish"), "seagull": ("on the roof of a lighthouse", "fish"),
    "stork": ("on a tall chimney", "fish"), "heron": ("at the edge of a marsh", "fish"),
    "lion": ("on a wide golden plain", "melons"), "tiger": ("in a jungle of tall bamboo", "mangoes"),
    "elephant": ("near a water hole on the plain", "bananas"), "giraffe": ("among the acacia trees", "leaves"),
    "zebra": ("on the grassy plain", "grass"), "monkey": ("in the tallest tree of the jungle", "bananas"),
    "hippo": ("in a wide warm river", "melons"), "crocodile": ("in a slow green river", "fish"),
    "camel": ("at the edge of the desert", "dates"), "kangaroo": ("in the dry red country", "grass"),
    "koala": ("in a eucalyptus tree", "leaves"), "panda": ("in a misty bamboo forest", "bamboo"),
    "polar bear": ("on the cold white ice", "fish"), "seal": ("on a rock in the cold sea", "fish"),
    "whale": ("in the deep blue sea", "seaweed"), "dolphin": ("in a bright blue bay", "fish"),
    "octopus": ("in a cave under the sea", "shrimps"), "crab": ("between the rocks on the beach", "seaweed"),
    "starfish": ("in a rock pool", "seaweed"), "otter": ("on the bank of a clear river", "fish"),
    "beaver": ("in a lodge on a forest stream", "bark"), "mole": ("in a tunnel under a lawn", "roots"),
    "deer": ("in a quiet forest", "berries"), "fawn": ("among the ferns of the forest", "leaves"),
    "moose": ("beside a northern lake", "moss"), "raccoon": ("in an old hollow log", "corn"),
    "skunk": ("under a wooden porch", "berries"), "bat": ("in the attic of an old house", "figs"),
    "rat": ("on a ship in the harbour", "cheese"), "hamster": ("in a cage by the window", "seeds"),
    "guinea pig": ("in a hutch in the garden", "carrots"), "lizard": ("on a warm stone wall", "beetles"),
    "snake": ("under a flat rock", "eggs"), "peacock": ("in the garden of a palace", "grain"),
    "ostrich": ("on a dusty plain", "seeds"), "flamingo": ("by a pink salt lake", "shrimps"),
    "reindeer": ("in the snowy north", "moss"), "llama": ("high in the mountains", "grass"),
    "yak": ("near a mountain village", "hay"), "sloth": ("in a slow green forest", "leaves"),
}

# kind: (gender, where they live)
PEOPLE = {
    "girl": ("f", "in a small house at the edge of town"), "boy": ("m", "in a village between two hills"),
    "little girl": ("f", "in a tall house with a blue door"), "little boy": ("m", "near the harbour"),
    "old woman": ("f", "in a cottage at the edge of the forest"), "old man": ("m", "in a hut by the sea"),
    "grandmother": ("f", "in a house full of clocks"), "grandfather": ("m", "beside an apple orchard"),
    "baker": ("", "above a bakery in the market square"), "farmer": ("", "on a farm at the foot of a hill"),
    "fisherman": ("m", "in a hut near the beach"), "gardener": ("", "in a cottage behind the palace garden"),
    "shepherd": ("", "in the hills above the village"), "miller": ("m", "in a mill by the stream"),
    "tailor": ("", "in a narrow street of the old town"), "carpenter": ("", "next to his workshop in the village"),
    "blacksmith": ("m", "beside a smoky forge"), "cook": ("", "in the kitchen of a castle"),
    "teacher": ("", "next to the village school"), "doctor": ("", "in a white house on the square"),
    "sailor": ("", "on an old wooden ship"), "pirate": ("", "on a ship with patched sails"),
    "knight": ("", "in a castle on a hill"), "king": ("m", "in a castle with a hundred rooms"),
    "queen": ("f", "in a palace by a lake"), "prince": ("m", "in a castle above the clouds"),
    "princess": ("f", "in a castle with seven towers"), "witch": ("f", "in a crooked house in the woods"),
    "wizard": ("m", "at the top of a tall tower"), "giant": ("m", "in a valley between two mountains"),
    "fairy": ("f", "inside a bluebell"), "elf": ("", "in a tree house in the forest"),
    "dwarf": ("m", "in a cave full of lamps"), "troll": ("m", "under a stone bridge"),
    "mermaid": ("f", "in a palace of coral"), "goblin": ("m", "under the roots of a tree"),
    "musician": ("", "in a small room over a cafe"), "painter": ("", "in an attic full of light"),
    "poet": ("", "in a room with one window"), "clockmaker": ("", "behind a shop full of clocks"),
    "postman": ("m", "at the end of a long road"), "lighthouse keeper": ("", "in a lighthouse on a rock"),
    "astronaut": ("", "in a space station above the Earth"), "pilot": ("", "near a small airfield"),
    "clown": ("", "in a painted wagon"), "dancer": ("", "in a house behind the theatre"),
    "inventor": ("", "in a workshop full of wheels and springs"), "librarian": ("", "near a quiet library"),
    "shoemaker": ("", "in a little shop on a corner"), "beekeeper": ("", "at the edge of a flowering field"),
    "woodcutter": ("", "in a hut in the forest"), "explorer": ("", "in a tent at the foot of a mountain"),
    "student": ("", "in a noisy street of a big city"), "nurse": ("", "near the hospital in a small town"),
}

# things that can be heroes: where they live
THINGS = {
    "robot": "in the corner of a workshop", "teapot": "on a shelf in a warm kitchen", "clock": "on the wall of a school",
    "lantern": "at the gate of an old inn", "snowman": "in a garden covered with snow", "scarecrow": "in a field of corn",
    "doll": "in a toy shop", "teddy bear": "on a child's bed", "toy soldier": "in a box under the stairs",
    "kite": "in the attic of a tall house", "train": "in a shed at the end of the line", "little boat": "in a quiet harbour",
    "cloud": "above a green valley", "star": "high in the night sky", "raindrop": "in a big grey cloud",
    "tree": "on the top of a hill", "flower": "in a garden by a wall", "pumpkin": "in a vegetable patch",
    "candle": "on a window sill", "bicycle": "in a dusty garage", "umbrella": "in a stand by the door",
    "spoon": "in a kitchen drawer", "pencil": "in a wooden box on a desk", "book": "on the top shelf of a library",
    "bell": "in a church tower", "mirror": "in the hall of an old house", "dragon": "in a cave above a village",
    "unicorn": "in a silver forest", "ghost": "in the attic of a castle", "monster": "under a bed",
    "snowflake": "in a cold winter cloud", "leaf": "on the highest branch of a maple", "tractor": "in a barn",
    "balloon": "at a fair in the city", "toaster": "in a sunny kitchen", "violin": "in a shop full of music",
}

# objects one can own, lose, break: (noun, plural?, kind)
OBJECTS = [(w, False, "wear") for w in """hat|scarf|coat|ring|crown|necklace|glove|shoe|boot|bow tie|cap|cloak|belt|
watch|bracelet|jacket|sweater|mitten|sock|apron|bonnet|tie""".replace("\n", "").split("|")]
OBJECTS += [(w, False, "toy") for w in """ball|kite|doll|teddy bear|toy boat|toy train|drum|puppet|spinning top|
yo-yo|balloon|puzzle|marble|music box|sled|skipping rope|paper boat|whistle|wooden horse""".replace("\n", "").split("|")]
OBJECTS += [(w, False, "tool") for w in """lantern|basket|umbrella|key|spoon|pencil|book|map|compass|bucket|broom|
fishing rod|hammer|needle|notebook|paintbrush|bag|blanket|pillow|cup|teapot|mirror|candle|bell|clock|wheelbarrow|
ladder|walking stick|letter|diary|purse|coin|lucky stone|telescope|wallet|bicycle""".replace("\n", "").split("|")]
OBJECTS += [(w, False, "music") for w in "flute|violin|trumpet|guitar|harp|accordion|horn|tambourine".split("|")]
OBJECTS += [(w, True, "wear") for w in "glasses|mittens|boots|gloves|shoes|slippers|earrings".split("|")]
OBJECTS += [(w, True, "tool") for w in "keys|crayons|seeds|skates|scissors|marbles|paints".split("|")]
FRAGILE = """cup|teapot|mirror|vase|music box|lantern|kite|toy boat|clock|violin|flute|drum|guitar|plate|window|
umbrella|chair|doll|wooden horse|telescope|lamp|jug|bowl|snow globe|toy train|puppet|sled|bicycle|necklace|
watch|harp|basket|wheelbarrow|ladder""".replace("\n", "").split("|")

COLOURS = "red blue green yellow orange purple pink brown black white grey golden silver".split()
TRAITS_GOOD = """brave kind clever gentle cheerful curious patient honest friendly careful polite hopeful
hard-working quiet thoughtful""".split()
TRAITS_BAD = "lazy greedy proud selfish grumpy stubborn boastful careless impatient jealous rude".split()
TRAITS_ANY = """little small young tiny old shy clumsy sleepy hungry lonely merry funny forgetful
nervous""".split() + TRAITS_GOOD

PLACES = ["in the forest", "by the river", "in the village", "on a farm", "by the sea", "in a big city", "in the mountains",
          "on an island", "in a castle", "in the desert", "in the jungle", "in a garden", "by a lake", "in a small town",
          "in the snow", "on a hill", "at the market", "in a valley", "in an old house", "on a ship", "in the meadow",
          "near a lighthouse", "in a faraway kingdom", "at the edge of the woods", "in space", "under the sea"]
SEASONS = ["spring", "summer", "autumn", "winter"]
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = """January February March April May June July August September October November December""".split()

CAPITALS = {
    "France": "Paris", "Germany": "Berlin", "Italy": "Rome", "Spain": "Madrid", "Portugal": "Lisbon",
    "England": "London", "Scotland": "Edinburgh", "Wales": "Cardiff", "Ireland": "Dublin", "Norway": "Oslo",
    "Sweden": "Stockholm", "Denmark": "Copenhagen", "Finland": "Helsinki", "Iceland": "Reykjavik",
    "the Netherlands": "Amsterdam", "Belgium": "Brussels", "Luxembourg": "Luxembourg", "Austria": "Vienna",
    "Switzerland": "Bern", "Poland": "Warsaw", "the Czech Republic": "Prague", "Slovakia": "Bratislava",
    "Hungary": "Budapest", "Romania": "Bucharest", "Bulgaria": "Sofia", "Greece": "Athens", "Turkey": "Ankara",
    "Croatia": "Zagreb", "Serbia": "Belgrade", "Slovenia": "Ljubljana", "Albania": "Tirana", "Ukraine": "Kyiv",
    "Russia": "Moscow", "Estonia": "Tallinn", "Latvia": "Riga", "Lithuania": "Vilnius", "Belarus": "Minsk",
    "Georgia": "Tbilisi", "Armenia": "Yerevan", "Egypt": "Cairo", "Morocco": "Rabat", "Algeria": "Algiers",
    "Tunisia": "Tunis", "Libya": "Tripoli", "Sudan": "Khartoum", "Ethiopia": "Addis Ababa", "Kenya": "Nairobi",
    "Uganda": "Kampala", "Rwanda": "Kigali", "Ghana": "Accra", "Nigeria": "Abuja", "Senegal": "Dakar",
    "Mali": "Bamako", "Angola": "Luanda", "Zambia": "Lusaka", "Zimbabwe": "Harare", "Mozambique": "Maputo",
    "Madagascar": "Antananarivo", "Namibia": "Windhoek", "Japan": "Tokyo", "China": "Beijing", "India": "New Delhi",
    "South Korea": "Seoul", "North Korea": "Pyongyang", "Mongolia": "Ulaanbaatar", "Thailand": "Bangkok",
    "Vietnam": "Hanoi", "Cambodia": "Phnom Penh", "Laos": "Vientiane", "Indonesia": "Jakarta",
    "Malaysia": "Kuala Lumpur", "the Philippines": "Manila", "Nepal": "Kathmandu", "Pakistan": "Islamabad",
    "Bangladesh": "Dhaka", "Iran": "Tehran", "Iraq": "Baghdad", "Syria": "Damascus", "Lebanon": "Beirut",
    "Jordan": "Amman", "Saudi Arabia": "Riyadh", "Qatar": "Doha", "Oman": "Muscat", "Kuwait": "Kuwait City",
    "Afghanistan": "Kabul", "Canada": "Ottawa", "the United States": "Washington", "Mexico": "Mexico City",
    "Cuba": "Havana", "Jamaica": "Kingston", "Guatemala": "Guatemala City", "Panama": "Panama City",
    "Costa Rica": "San Jose", "Colombia": "Bogota", "Venezuela": "Caracas", "Ecuador": "Quito", "Peru": "Lima",
    "Brazil": "Brasilia", "Argentina": "Buenos Aires", "Chile": "Santiago", "Uruguay": "Montevideo",
    "Paraguay": "Asuncion", "Australia": "Canberra", "New Zealand": "Wellington", "Fiji": "Suva",
}
CITIES = sorted(set(CAPITALS.values())) + """Hamburg|Munich|Cologne|Milan|Naples|Turin|Venice|Florence|Barcelona|
Seville|Valencia|Porto|Lyon|Marseille|Toulouse|Nice|Bordeaux|Manchester|Liverpool|Leeds|Bristol|Oxford|Cambridge|
York|Glasgow|Aberdeen|Cork|Galway|Bergen|Gothenburg|Malmo|Aarhus|Turku|Rotterdam|Utrecht|Antwerp|Ghent|Graz|
Salzburg|Zurich|Geneva|Basel|Krakow|Gdansk|Brno|Istanbul|Izmir|Odesa|Kazan|Osaka|Kyoto|Nagoya|Sapporo|Shanghai|
Shenzhen|Hong Kong|Mumbai|Chennai|Kolkata|Bangalore|Pune|Karachi|Lahore|Singapore|Busan|Sydney|Melbourne|Perth|
Brisbane|Auckland|Toronto|Montreal|Vancouver|Calgary|Boston|Chicago|Denver|Dallas|Houston|Seattle|Portland|
San Francisco|Los Angeles|San Diego|Miami|Atlanta|Philadelphia|New York|Detroit|Phoenix|Austin|Nashville|
New Orleans|Rio de Janeiro|Sao Paulo|Salvador|Cordoba|Medellin|Cusco|Guadalajara|Monterrey|Cape Town|Durban|Lagos|
Casablanca|Marrakesh|Alexandria|Mombasa|Dubai|Haifa|Aleppo|Basra""".replace("\n", "").split("|")

JOBS = """teacher|nurse|doctor|engineer|farmer|baker|carpenter|electrician|plumber|lawyer|accountant|pilot|driver|
cook|waiter|painter|writer|journalist|photographer|musician|actor|dancer|singer|librarian|dentist|pharmacist|
scientist|biologist|chemist|programmer|designer|architect|mechanic|gardener|fisherman|postman|police officer|
firefighter|soldier|sailor|tailor|hairdresser|cleaner|shopkeeper|manager|secretary|translator|student|
veterinarian|judge|surgeon|welder|bricklayer|butcher|florist|optician|beekeeper|astronomer|historian""" \
    .replace("\n", "").split("|")
HOBBIES = """chess|swimming|painting|reading|cooking|hiking|dancing|fishing|gardening|knitting|photography|cycling|
running|football|tennis|basketball|singing|drawing|climbing|sailing|skating|pottery|yoga|birdwatching|baking|
astronomy|playing the piano|playing the guitar|collecting stamps|woodwork""".replace("\n", "").split("|")
FOODS = """bread|cheese|apples|pears|soup|rice|pasta|pizza|salad|potatoes|eggs|fish|chicken|beans|carrots|tomatoes|
cake|biscuits|chocolate|honey|milk|butter|yoghurt|noodles|pancakes|porridge|lentils|mushrooms|onions|oranges|
bananas|grapes|strawberries|cherries|plums|nuts|olives|peas|corn|spinach""".replace("\n", "").split("|")
PRODUCTS = """laptop|phone|keyboard|mouse|monitor|printer|camera|headphones|tablet|lamp|desk|chair|sofa|table|
bookshelf|mattress|pillow|blanket|kettle|toaster|blender|fridge|washing machine|vacuum cleaner|bicycle|tent|
backpack|suitcase|umbrella|jacket|coat|shirt|dress|sweater|pair of shoes|pair of boots|hat|scarf|watch|ring|
necklace|guitar|piano|violin|drum|book|notebook|pen|puzzle|board game|football|tennis racket|skateboard|helmet|
teapot|frying pan|knife set|coffee machine|drill|hammer|ladder|lawn mower|paint set|microscope|telescope""" \
    .replace("\n", "").split("|")
COMPANIES = """Northwind|Bluebird|Acorn Foods|Silver Lake Bank|Harbour Lines|Greenfield Farms|Redstone Tools|
Sunrise Bakery|Papermill|Cedar and Sons|Hilltop Press|Riverside Motors|Lantern Books|Oakley Furniture|
Polar Air|Maple Software|Brightside Energy|Copper Kettle|Fern Valley|Atlas Travel|Delta Shipping|Mosaic Design|
Pinewood Toys|Quarry Works|Orchard Health|Starling Labs|Tidewater|Union Mills|Vector Systems|Westgate Hotel""" \
    .replace("\n", "").split("|")
PETS = "dog cat rabbit hamster parrot goldfish tortoise pony canary mouse".split()
NUMBER_WORDS = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
sixteen seventeen eighteen nineteen twenty""".split()
TENS = "zero ten twenty thirty forty fifty sixty seventy eighty ninety".split()


def number_word(n):
    """0..999 in English words."""
    if n <= 20:
        return NUMBER_WORDS[n]
    if n < 100:
        return TENS[n // 10] + ("-" + NUMBER_WORDS[n % 10] if n % 10 else "")
    rest = n % 100
    return NUMBER_WORDS[n // 100] + " hundred" + (" and " + number_word(rest) if rest else "")


PRONOUNS = {
    "m": {"he": "he", "him": "him", "his": "his", "himself": "himself"},
    "f": {"he": "she", "him": "her", "his": "her", "himself": "herself"},
    "n": {"he": "it", "him": "it", "his": "its", "himself": "itself"},
}

# ---- open classes: what keeps the model reading instead of remembering ------------------------------

NOUNS = """acorn airport album alley anchor angel apron arch arrow attic autumn avenue axe badge bakery ballad bamboo banner barge barn barrel basin bathtub
battery bay beach beacon bead beak beam beard bed beehive bench bill biscuit blossom board bonfire border bottle boulder box branch brass brick brook
bubble bucket bud bulb bundle bus button cabin cable cage cake calendar camera camp canal candy canoe canvas captain card cargo carpet carriage castle
cathedral cave ceiling cellar chain chalk channel chapel chapter chart chest chimney choir circle circus claw clay cliff clinic cloth cloud clover club
coach coal coast cobweb coin collar column comet concert cottage couch council counter country course court cousin cradle crane crayon cream crew crowd
cupboard current curtain cushion dairy dam dawn deck desert desk dew diamond dinner dish ditch dock dome door dream dress drop dune dust easel echo edge
elbow elevator ember engine envelope evening fabric factory fair farm feather fence ferry festival field fig film fire fish flag flame flask fleet flock
floor flour flower fog folder forest fork fort fountain frame frost fruit funnel fur furnace galaxy gallery garage garden garlic gate gem giant glacier
glass glove glue goal gown grain grape grass gravel grove guest guide gulf gutter hall hammock handle harbour harvest hat hay heart hedge helmet herb hill
hinge hive hole honey hook horn hotel hour house ice idea igloo ink inn insect island ivy jacket jar jelly jewel journey jug juice jungle kettle kitchen
knot label lace ladder lake lamp lane lantern lawn leaf leather lemon lens letter lever library lid lightning lime line lock log loom lunch machine magnet
mailbox manor map marble market mask mast mat match meadow meal medal melody melon message metal mill mine mirror mist moat money moon moss motor mountain
mud mug museum mushroom music nail napkin needle neighbour nest net night noodle north nose note number nut oak oar oasis ocean office oil olive onion
orbit orchard organ oven owl oyster package paddle page paint palace pan pancake paper parade parcel park party path pavement peach pearl pebble pen pepper
petal piano picnic picture pie pier pillar pine pipe pit plain planet plank plate plough pocket poem pond pool porch port postcard pot potato pudding pump
puppet purse puzzle pyramid quarry queen quilt radio raft rail rain raincoat rainbow ranch razor reef ribbon rice ridge riddle ring river road rock rocket
roof room rope rose rug sack saddle sail salad salt sand sandwich satellite sauce saucer scale school screw sea seat secret seed shadow shawl shed shelf
shell shield ship shop shore shovel sign silk silver sink sister skirt sky sledge sleeve slope smoke snow soap sock soil song soup spade spaceship spark
spice spider spiral spring square stable stage stair stamp star statue steam steel stem step stick stocking stone stool store storm stove straw stream
street string submarine sugar suitcase summer sunset swamp sweater swing sword syrup table tale tank tea temple tent theatre thimble thread throne thumb
ticket tide tie tile toast tomb tool torch towel tower town toy track trail train tram trap tray treasure trench tribe trick trumpet trunk tub tunnel
turnip twig valley van vase vault veil velvet vessel village vine violet voice volcano voyage wagon waist wall walnut wand watch water wave wax weather
wedding well west whale wheat wheel whip whisper wick window wing winter wire wish wolf wood wool word world worm wreath wrist yard yarn year zebra zone""".split()
ADJECTIVES = """amber ancient bent bitter blunt bold bright broad broken bronze busy calm central clear clever cold common copper crisp curly daily damp dark
deep distant double dry dusty early eastern empty equal even exact extra faint fair famous final first flat foreign formal fresh full gentle giant glad
global gold grand half happy heavy hidden high hollow huge inner iron jolly junior large last late light local lonely long loose lost loud low lucky main
major maximum middle mild minor modern narrow native neat new next noble northern odd official old open outer pale past plain polar polite private proud
public pure quick quiet rapid rare raw ready rear real red rich rough round royal rural safe second secret senior sharp short silent simple single slim
slow small smooth social soft solar solid southern spare special square steady steep stiff still strange strict strong sweet swift tall thick thin third
tiny total upper urban usual vast warm western white whole wide wild wise wooden young""".split()
ONSETS = "b br c ch d dr f fl g gl gr h j k kr l m n p pl pr qu r s sh sk sl st t th tr v w y z".split() + [""]
VOWELS = "a e i o u a e i o ai ea ou ee y".split()
CODAS = ["", "", "", "n", "r", "l", "s", "m", "t", "nd", "rk", "th", "x", "ck", "lt"]


def coin(rng, capital=True):
    """A word that nobody has seen: two or three syllables."""
    out = "".join(rng.choice(ONSETS) + rng.choice(VOWELS) + rng.choice(CODAS) for _ in range(rng.choice([2, 2, 2, 3])))
    return out.capitalize() if capital else out


def girl(rng):
    return coin(rng) if rng.random() < 0.12 else GIRLS[int(rng.random() * len(GIRLS))]


def boy(rng):
    return coin(rng) if rng.random() < 0.12 else BOYS[int(rng.random() * len(BOYS))]


def first_name(rng):
    return girl(rng) if rng.random() < 0.5 else boy(rng)


def surname(rng):
    return coin(rng) if rng.random() < 0.3 else SURNAMES[int(rng.random() * len(SURNAMES))]


def city(rng):
    return coin(rng) if rng.random() < 0.2 else CITIES[int(rng.random() * len(CITIES))]


def company(rng):
    if rng.random() < 0.4:
        return COMPANIES[int(rng.random() * len(COMPANIES))]
    form = rng.choice(["%s", "%s and Sons", "%s Ltd", "%s Group", "%s Works", "The %s Company", "%s Brothers", "%s Trading"])
    return form % (coin(rng) if rng.random() < 0.6 else rng.choice(ADJECTIVES).capitalize() + " " + rng.choice(NOUNS).capitalize())


def product(rng):
    if rng.random() < 0.6:
        return PRODUCTS[int(rng.random() * len(PRODUCTS))]
    return rng.choice(ADJECTIVES) + " " + rng.choice(NOUNS) if rng.random() < 0.5 else rng.choice(NOUNS)


def label(rng):
    """The name of a field or parameter, as programmers write it."""
    r = rng.random()
    a, b = rng.choice(NOUNS), rng.choice(NOUNS)
    if r < 0.35:
        return a
    if r < 0.60:
        return a + "_" + b
    if r < 0.75:
        return rng.choice(ADJECTIVES) + "_" + a
    if r < 0.85:
        return a + b.capitalize()
    if r < 0.95:
        return a + "_" + rng.choice(["id", "name", "number", "code", "type", "date", "size", "count", "level", "status"])
    return coin(rng, False)
