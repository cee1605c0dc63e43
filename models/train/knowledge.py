"""A little general knowledge, and the honesty to say "I do not know".

The tables are small on purpose: a model of this size can hold a few hundred facts and must
learn that everything else is outside.  Questions about things that are not in the tables -
invented people, today's news, far places - are answered with a plain "I do not know".
"""

import words
from grammar import Chat, Env, capitalise, hold_out, one_of, roughen, with_article

ANIMAL_FACTS = {  # animal: (young, sound, group of animals, legs, eats)
    "cow": ("calf", "moo", "mammal", 4, "grass"), "dog": ("puppy", "woof", "mammal", 4, "meat"), "cat": ("kitten", "meow", "mammal", 4, "meat"),
    "sheep": ("lamb", "baa", "mammal", 4, "grass"), "pig": ("piglet", "oink", "mammal", 4, "nearly everything"), "horse": ("foal", "neigh", "mammal", 4, "grass and hay"),
    "duck": ("duckling", "quack", "bird", 2, "water plants and insects"), "hen": ("chick", "cluck", "bird", 2, "grain and insects"),
    "goose": ("gosling", "honk", "bird", 2, "grass"), "owl": ("owlet", "hoot", "bird", 2, "mice"), "frog": ("tadpole", "croak", "amphibian", 4, "insects"),
    "lion": ("cub", "roar", "mammal", 4, "meat"), "tiger": ("cub", "roar", "mammal", 4, "meat"), "bear": ("cub", "growl", "mammal", 4, "berries, fish and honey"),
    "wolf": ("cub", "howl", "mammal", 4, "meat"), "goat": ("kid", "bleat", "mammal", 4, "leaves and grass"), "deer": ("fawn", "bellow", "mammal", 4, "leaves and grass"),
    "swan": ("cygnet", "hiss", "bird", 2, "water plants"), "bee": ("larva", "buzz", "insect", 6, "nectar"), "ant": ("larva", "", "insect", 6, "nearly everything"),
    "butterfly": ("caterpillar", "", "insect", 6, "nectar"), "spider": ("spiderling", "", "arachnid", 8, "insects"), "snake": ("hatchling", "hiss", "reptile", 0, "mice and other small animals"),
    "elephant": ("calf", "trumpet", "mammal", 4, "grass and leaves"), "kangaroo": ("joey", "", "mammal", 4, "grass"), "whale": ("calf", "song", "mammal", 0, "fish and krill"),
    "rabbit": ("kit", "", "mammal", 4, "grass and vegetables"), "mouse": ("pup", "squeak", "mammal", 4, "grain and seeds"), "eagle": ("eaglet", "scream", "bird", 2, "small animals and fish"),
    "penguin": ("chick", "", "bird", 2, "fish"), "shark": ("pup", "", "fish", 0, "fish"), "crocodile": ("hatchling", "", "reptile", 4, "meat"),
    "turtle": ("hatchling", "", "reptile", 4, "plants and small animals"), "octopus": ("larva", "", "mollusc", 8, "crabs"), "panda": ("cub", "", "mammal", 4, "bamboo"),
    "donkey": ("foal", "hee-haw", "mammal", 4, "grass and hay"), "monkey": ("infant", "chatter", "mammal", 4, "fruit"), "giraffe": ("calf", "", "mammal", 4, "leaves"),
    "zebra": ("foal", "", "mammal", 4, "grass"), "hippo": ("calf", "grunt", "mammal", 4, "grass"), "fly": ("maggot", "buzz", "insect", 6, "sweet and rotten things"),
    "salmon": ("fry", "", "fish", 0, "small fish"), "crow": ("chick", "caw", "bird", 2, "nearly everything"), "squirrel": ("kit", "", "mammal", 4, "nuts"),
    "koala": ("joey", "", "mammal", 4, "eucalyptus leaves"), "dolphin": ("calf", "click", "mammal", 0, "fish"), "bat": ("pup", "squeak", "mammal", 2, "insects"),
    "beaver": ("kit", "", "mammal", 4, "bark and leaves"), "fox": ("cub", "bark", "mammal", 4, "mice, berries and insects"),
}

OPPOSITES = """hot cold|big small|tall short|fast slow|old young|happy sad|light dark|up down|left right|open closed|full empty|day night|
good bad|hard soft|wet dry|rich poor|strong weak|loud quiet|clean dirty|early late|high low|long short|heavy light|near far|true false|
first last|black white|inside outside|begin end|always never|push pull|win lose|buy sell|love hate|friend enemy|war peace|north south|
east west|summer winter|morning evening|sweet sour|thick thin|wide narrow|deep shallow|brave cowardly|safe dangerous|easy difficult|
cheap expensive|beautiful ugly|alive dead|asleep awake|right wrong|question answer|give take|laugh cry|remember forget|lazy hard-working|
sharp blunt|smooth rough|polite rude|kind cruel|clever stupid|arrive leave|rise fall|above below|before after|more less|many few|
noisy silent|modern ancient|simple complicated|possible impossible|same different|straight crooked|tight loose|cool warm|guest host|
success failure|victory defeat|arrival departure|entrance exit|increase decrease|accept refuse|build destroy|find lose|float sink"""
OPPOSITES = [tuple(p.split()) for p in OPPOSITES.replace("\n", "").split("|")]

PLURALS = """mouse mice|child children|foot feet|tooth teeth|goose geese|man men|woman women|person people|sheep sheep|fish fish|leaf leaves|
knife knives|wolf wolves|baby babies|city cities|box boxes|house houses|tree trees|cat cats|dog dogs|bus buses|glass glasses|story stories|
potato potatoes|hero heroes|book books|lady ladies|half halves|ox oxen|church churches|brush brushes|key keys|fox foxes|wife wives"""
PLURALS = [tuple(p.split()) for p in PLURALS.replace("\n", "").split("|")]

PASTS = """go went|see saw|eat ate|run ran|write wrote|take took|give gave|come came|find found|know knew|think thought|buy bought|
bring brought|catch caught|teach taught|sing sang|swim swam|drink drank|begin began|break broke|speak spoke|drive drove|ride rode|fly flew|
grow grew|throw threw|fall fell|feel felt|keep kept|sleep slept|leave left|meet met|read read|sit sat|stand stood|tell told|win won|make made|
say said|pay paid|walk walked|play played|work worked|love loved|jump jumped|help helped|hide hid|choose chose|wear wore|sell sold|build built"""
PASTS = [tuple(p.split()) for p in PASTS.replace("\n", "").split("|")]

COLOUR_OF = {"the sky": "blue", "grass": "green", "snow": "white", "blood": "red", "a lemon": "yellow", "a banana": "yellow", "coal": "black", "milk": "white",
             "a strawberry": "red", "an orange": "orange", "a carrot": "orange", "the sea": "blue", "a leaf": "green", "chocolate": "brown", "the sun": "yellow",
             "a ripe tomato": "red", "a crow": "black", "a polar bear": "white", "an elephant": "grey", "a frog": "green", "a fire engine": "red", "a flamingo": "pink",
             "an emerald": "green", "a ruby": "red", "salt": "white", "a lime": "green", "a violet": "purple", "a pumpkin": "orange", "a cucumber": "green",
             "a swan": "white", "a raven": "black", "the earth": "brown", "a pig": "pink", "an aubergine": "purple", "a sunflower": "yellow", "a cherry": "red"}

# question templates and one answer
GENERAL = [
    (["How many days [are there|are] in a week?", "How many days does a week have?"], "A week has seven days."),
    (["How many months [are there|are] in a year?", "How many months does a year have?"], "A year has twelve months."),
    (["How many days [are there|are] in a year?", "How many days does a year have?"], "A year has 365 days, and a leap year has 366."),
    (["How many hours [are there|are] in a day?", "How many hours does a day have?"], "A day has 24 hours."),
    (["How many minutes [are there|are] in an hour?", "How many minutes does an hour have?"], "An hour has 60 minutes."),
    (["How many seconds [are there|are] in a minute?", "How many seconds does a minute have?"], "A minute has 60 seconds."),
    (["How many weeks [are there|are] in a year?"], "A year has 52 weeks."),
    (["How many continents [are there|does the Earth have]?"], "There are seven continents."),
    (["How many planets [are there|are there in our solar system|does the solar system have]?"], "Our solar system has eight planets."),
    (["[Name|List] the planets[.| of the solar system.]", "[What|Which] planets are there?"], "Mercury, Venus, Earth, Mars, Jupiter, Saturn, Uranus and Neptune."),
    (["[What|Which] is the [biggest|largest] planet[?| of the solar system?]"], "Jupiter is the biggest planet."),
    (["[What|Which] is the [smallest] planet[?| of the solar system?]"], "Mercury is the smallest planet."),
    (["[What|Which] planet is [closest|nearest] to the sun?"], "Mercury is closest to the sun."),
    (["[What|Which] planet [is called|is] the red planet?"], "Mars is called the red planet."),
    (["[What|Which] is the [biggest|largest] ocean?"], "The Pacific is the largest ocean."),
    (["[What|Which] is the highest mountain[?| in the world?| on Earth?]"], "Mount Everest is the highest mountain."),
    (["[What|Which] is the [biggest|largest] animal[?| in the world?| on Earth?]"], "The blue whale is the largest animal."),
    (["[What|Which] is the fastest [land animal|animal on land|animal]?"], "The cheetah is the fastest animal on land."),
    (["[What|Which] is the tallest animal[?| in the world?]"], "The giraffe is the tallest animal."),
    (["[What|Which] is the [biggest|largest] country[?| in the world?]"], "Russia is the largest country."),
    (["[What|Which] is the smallest country[?| in the world?]"], "Vatican City is the smallest country."),
    (["[What|Which] is the [biggest|largest] continent?"], "Asia is the largest continent."),
    (["[What|Which] is the [biggest|largest] desert[?| in the world?]"], "The largest hot desert is the Sahara."),
    (["[Name|List] the [continents|seven continents].", "[What|Which] continents are there?"], "Africa, Antarctica, Asia, Australia, Europe, North America and South America."),
    (["[Name|List|What are] the [four |]seasons[.|?]", "[What|Which] seasons are there?"], "Spring, summer, autumn and winter."),
    (["[Name|List|What are] the days of the week[.|?]"], "Monday, Tuesday, Wednesday, Thursday, Friday, Saturday and Sunday."),
    (["[Name|List|What are] the months[.|?| of the year.]"], "January, February, March, April, May, June, July, August, September, October, November and December."),
    (["[Name|List|What are] the [primary colours|basic colours][.|?]"], "Red, yellow and blue."),
    (["[What are|Name] the colours of the rainbow[.|?]"], "Red, orange, yellow, green, blue, indigo and violet."),
    (["Why is the sky blue?", "What makes the sky blue?"], "The air scatters blue light more than red light, so blue reaches us from all sides."),
    (["[What is|What's] water [made of|made from]?", "[What is|What's] the chemical formula of water?", "What is H2O?"], "Water is made of hydrogen and oxygen. Its formula is H2O."),
    (["At what temperature does water [boil|start to boil]?", "When does water boil?"], "Water boils at 100 degrees Celsius."),
    (["At what temperature does water [freeze|turn to ice]?", "When does water freeze?"], "Water freezes at 0 degrees Celsius."),
    (["[What is|What's] ice[?| made of?]"], "Ice is frozen water."),
    (["[What is|What's] the sun?", "Is the sun a star?"], "The sun is a star. It gives us light and warmth."),
    (["[What is|What's] the moon?"], "The moon is a ball of rock that travels around the Earth."),
    (["How long does the Earth [need|take] to [go|travel] around the sun?"], "The Earth takes one year to travel around the sun."),
    (["How long does the moon [need|take] to [go|travel] around the Earth?"], "The moon takes about a month to travel around the Earth."),
    (["[Is the Earth|What shape is the Earth? Is it] [round|flat]?", "What shape [does the Earth have|is the Earth]?"], "The Earth is round, like a ball."),
    (["Why do we have [day and night|day|night]?"], "Because the Earth turns. The side that looks at the sun has day, and the other side has night."),
    (["Why do leaves fall [in autumn|from the trees]?"], "In autumn trees drop their leaves to save water and energy for the winter."),
    (["Where does rain come from?", "Why does it rain?"], "Water rises into the air, cools down and becomes clouds. When the drops are heavy enough, they fall as rain."),
    (["[What is|What's] a rainbow?", "How does a rainbow [form|come about]?"], "A rainbow forms when sunlight shines through drops of rain and is split into its colours."),
    (["[What is|What's] [lightning|a thunderstorm]?"], "Lightning is a great electric spark in a cloud, and thunder is the noise that it makes."),
    (["[How do|How can] birds fly?", "Why can birds fly?"], "Birds have light bones, feathers and strong wings. The air carries their wings as they beat them."),
    (["[How do|How can] fish breathe[?| under water?]"], "Fish breathe with gills, which take oxygen out of the water."),
    (["[What do|How do] plants [need|need to grow|live]?", "What do plants need[?| to grow?]"], "Plants need light, water, air and soil."),
    (["How do bees make honey?", "Who makes honey?"], "Bees collect nectar from flowers and turn it into honey in the hive."),
    (["[Who|Which animal] gives us milk?", "Where does milk come from?"], "Milk comes from cows, goats and sheep."),
    (["[What is|What's] bread made of?", "How is bread made?"], "Bread is made of flour, water, salt and yeast, and baked in an oven."),
    (["[What is|What's] cheese made of?"], "Cheese is made of milk."),
    (["[What is|What's] glass made of?"], "Glass is made of sand."),
    (["[What is|What's] paper made of?"], "Paper is made of wood."),
    (["[What is|What's] chocolate made of?"], "Chocolate is made of cocoa beans, sugar and often milk."),
    (["[What is|What's] wine made of?"], "Wine is made of grapes."),
    (["Who wrote [Romeo and Juliet|Hamlet|Macbeth]?"], "William Shakespeare wrote it."),
    (["Who wrote [Alice in Wonderland|Alice's Adventures in Wonderland]?"], "Lewis Carroll wrote it."),
    (["Who wrote [Peter Pan]?"], "J. M. Barrie wrote it."), (["Who wrote [Treasure Island]?"], "Robert Louis Stevenson wrote it."),
    (["Who wrote [The Jungle Book]?"], "Rudyard Kipling wrote it."), (["Who wrote [Pinocchio]?"], "Carlo Collodi wrote it."),
    (["Who wrote [Oliver Twist|David Copperfield|A Christmas Carol|Great Expectations]?"], "Charles Dickens wrote it."),
    (["Who wrote [Pride and Prejudice|Emma|Sense and Sensibility]?"], "Jane Austen wrote it."), (["Who wrote [Frankenstein]?"], "Mary Shelley wrote it."),
    (["Who wrote [Dracula]?"], "Bram Stoker wrote it."), (["Who wrote [The Ugly Duckling|The Little Mermaid|The Snow Queen]?"], "Hans Christian Andersen wrote it."),
    (["Who painted the Mona Lisa?"], "Leonardo da Vinci painted the Mona Lisa."), (["Who [found|discovered] gravity?"], "Isaac Newton described gravity."),
    (["Who invented the [light bulb]?"], "Thomas Edison made the first practical light bulb."), (["Who invented the telephone?"], "Alexander Graham Bell patented the telephone."),
    (["Who [was|is] Albert Einstein?"], "Albert Einstein was a physicist who found the theory of relativity."),
    (["Who was the first [man|person|human] on the moon?"], "Neil Armstrong was the first person on the moon, in 1969."),
    (["[What is|What's] [C|the C language]?"], "C is a programming language. Minerva is written in it."),
    (["[What is|What's] Linux?"], "Linux is a free operating system."), (["[What is|What's] a computer?"], "A computer is a machine that follows the steps of a program."),
    (["[What is|What's] JSON?"], "JSON is a simple text format for data, with objects in braces and lists in brackets."),
    (["[What is|What's] [Python]?"], "Python is a programming language, and also a snake."),
    (["[What is|What's] the internet?"], "The internet is a worldwide network that connects computers."),
    (["How many letters [are in|does] the [English |]alphabet[?| have?]"], "The English alphabet has 26 letters."),
    (["[What is|What's] the first letter of the alphabet?"], "The first letter is A."), (["[What is|What's] the last letter of the alphabet?"], "The last letter is Z."),
    (["[What|Which] are the vowels?", "[Name|List] the vowels."], "The vowels are a, e, i, o and u."),
    (["How many legs does a table have?"], "Most tables have four legs."), (["How many wheels does a car have?"], "A car has four wheels."),
    (["How many wheels does a bicycle have?"], "A bicycle has two wheels."), (["How many fingers [do people have|does a hand have]?"], "A hand has five fingers."),
    (["How many sides does a triangle have?"], "A triangle has three sides."), (["How many sides does a square have?"], "A square has four sides."),
    (["How many sides does a hexagon have?"], "A hexagon has six sides."), (["How many players [are in|does] a football team[?| have?]"], "A football team has eleven players."),
    (["How many strings does a [violin] have?"], "A violin has four strings."), (["How many strings does a guitar have?"], "A guitar usually has six strings."),
    (["How many eggs are in a dozen?", "How many is a dozen?"], "A dozen is twelve."), (["How many [centimetres|centimeters] are in a [metre|meter]?"], "A metre has 100 centimetres."),
    (["How many [metres|meters] are in a [kilometre|kilometer]?"], "A kilometre has 1000 metres."), (["How many grams are in a kilogram?"], "A kilogram has 1000 grams."),
]

GENERAL += [
    (["Why is [the grass|grass] green?", "Why are leaves green?"], "Because leaves contain chlorophyll, a green substance that catches sunlight."),
    (["Why is the sea [salty|salt]?", "Why is sea water salty?"], "Rivers wash salt out of the rocks and carry it into the sea."),
    (["Why do [we|people] sleep?"], "Sleep gives the body and the brain time to rest and to repair themselves."),
    (["Why do [we|people] dream?"], "Nobody knows exactly. The brain seems to sort what it has seen during the day."),
    (["Why do cats purr?"], "Cats mostly purr when they feel well."), (["Why do dogs bark?"], "Dogs bark to warn, to greet and to call."),
    (["Why do birds sing?"], "Birds sing to find a partner and to defend their place."), (["Why is the sun [hot|so hot]?"], "In the sun hydrogen is turned into helium, and that sets free a lot of energy."),
    (["Why does ice [float|swim][?| on water?]"], "Ice is lighter than water, because water grows when it freezes."), (["Why do we need [water|to drink water]?"], "Our body is mostly water and loses some of it every day."),
    (["Why is snow white?"], "Snow reflects all the colours of light, and together they are white."), (["Why do [we|people] get older?"], "The cells of the body wear out over time."),
    (["How high is the Eiffel Tower?", "How tall is the Eiffel [Tower|tower]?"], "The Eiffel Tower is about 330 metres high."), (["Where is the Eiffel [Tower|tower]?"], "The Eiffel Tower is in Paris."),
    (["Where is Big Ben?"], "Big Ben is in London."), (["Where is the Colosseum?"], "The Colosseum is in Rome."), (["Where are the pyramids?"], "The most famous pyramids are in Egypt."),
    (["Who wrote Harry Potter?"], "J. K. Rowling wrote it."), (["Who wrote The Lord of the Rings?", "Who wrote The Hobbit?"], "J. R. R. Tolkien wrote it."), (["Who wrote Don Quixote?"], "Miguel de Cervantes wrote it."),
    (["Who wrote War and Peace?"], "Leo Tolstoy wrote it."), (["Who wrote Moby Dick?"], "Herman Melville wrote it."), (["Who wrote [Tom Sawyer|Huckleberry Finn]?"], "Mark Twain wrote it."),
    (["Who wrote Robinson Crusoe?"], "Daniel Defoe wrote it."), (["Who wrote The Wizard of Oz?"], "L. Frank Baum wrote it."), (["Who wrote Faust?"], "Johann Wolfgang von Goethe wrote it."),
    (["Who wrote 1984?", "Who wrote Animal Farm?"], "George Orwell wrote it."), (["Who wrote Winnie-the-Pooh?"], "A. A. Milne wrote it."), (["Who collected the fairy tales of Germany?", "Who wrote Hansel and Gretel?"], "The Brothers Grimm collected it."),
    (["Who [was|is] [William Shakespeare|Shakespeare]?"], "William Shakespeare was an English poet who wrote plays such as Hamlet."), (["Who [was|is] [Isaac Newton|Newton]?"], "Isaac Newton was an English scientist who described gravity."),
    (["Who [was|is] [Marie Curie]?"], "Marie Curie was a scientist who discovered radium and won two Nobel Prizes."), (["Who [was|is] [Leonardo da Vinci]?"], "Leonardo da Vinci was an Italian painter and inventor. He painted the Mona Lisa."),
    (["Who [was|is] [Mozart|Wolfgang Amadeus Mozart]?"], "Mozart was a composer from Salzburg."), (["Who [was|is] [Beethoven|Ludwig van Beethoven]?"], "Beethoven was a German composer."), (["Who [was|is] [Napoleon]?"], "Napoleon was an emperor of France."),
    (["Who [was|is] [Cleopatra]?"], "Cleopatra was a queen of Egypt."), (["Who [was|is] [Julius Caesar|Caesar]?"], "Julius Caesar was a Roman general and statesman."), (["Who [was|is] [Charles Darwin|Darwin]?"], "Charles Darwin was a naturalist who explained evolution."),
    (["Who [was|is] [Alan Turing|Turing]?"], "Alan Turing was a mathematician and one of the fathers of the computer."), (["Who [was|is] [Ada Lovelace]?"], "Ada Lovelace wrote what is called the first computer program."),
    (["Who [was|is] [Christopher Columbus|Columbus]?"], "Christopher Columbus was a sailor who reached America in 1492."), (["Who invented the printing press?"], "Johannes Gutenberg invented the printing press with movable type."),
    (["When did the Second World War end?", "When did World War II end?"], "The Second World War ended in 1945."), (["When did the First World War [begin|start]?"], "The First World War began in 1914."), (["When did the Berlin Wall fall?"], "The Berlin Wall fell in 1989."),
    (["When did people first land on the moon?"], "People first landed on the moon in 1969."), (["[What is|What's] gravity?"], "Gravity is the force that pulls things to the ground and keeps the planets on their way."),
    (["How fast is light?", "[What is|What's] the speed of light?"], "Light travels about 300,000 kilometres per second."), (["[What is|What's] photosynthesis?"], "Photosynthesis is the way in which plants make sugar from light, water and air."),
    (["[What is|What's] [a volcano]?"], "A volcano is a mountain from which hot melted rock can come out."), (["[What is|What's] [an earthquake]?"], "An earthquake is a shaking of the ground."), (["[What is|What's] [a mammal]?"], "A mammal is an animal that feeds its young with milk."),
    (["[What is|What's] [an insect]?"], "An insect is a small animal with six legs."), (["[What is|What's] [a verb]?"], "A verb is a word for something one does, such as run or think."), (["[What is|What's] [a noun]?"], "A noun is a word for a person, a place or a thing."),
    (["[What is|What's] [an adjective]?"], "An adjective is a word that describes something, such as red or small."), (["[What is|What's] [a prime number]?"], "A prime number can only be divided by one and by itself."), (["[What is|What's] pi?"], "Pi is about 3.14. It is the length around a circle divided by its width."),
    (["[What is|What's] [a democracy|democracy]?"], "In a democracy the people choose who governs."), (["[What is|What's] money?"], "Money is what people use to pay."), (["[What is|What's] electricity?"], "Electricity is the flow of tiny charged particles, and it drives our lamps and machines."),
    (["[What is|What's] [an algorithm]?"], "An algorithm is a list of steps that solves a task."), (["[What is|What's] [artificial intelligence|AI]?"], "Artificial intelligence means programs that do things for which people need to think."),
    (["[What is|What's] [a robot]?"], "A robot is a machine that can move and work by itself."), (["[What is|What's] [a neural network]?"], "A neural network is a program made of many small sums, whose numbers were learned from examples."),
    (["[What is|What's] [a library]?"], "A library is a place with many books, or a collection of code that programs use."), (["[What is|What's] [a CPU]?"], "The CPU is the part of a computer that does the computing."), (["[What is|What's] [a GPU]?"], "A GPU is a processor that does many small sums at the same time."),
    (["[What is|What's] an owl?"], "An owl is a bird that hunts at night."), (["[What|Which] is the longest river[?| in the world?]"], "The Nile and the Amazon are the longest rivers."), (["[What|Which] is the [biggest|largest] lake[?| in the world?]"], "The Caspian Sea is the largest lake."),
    (["[What|Which] is the [biggest|largest] bird?"], "The ostrich is the largest bird."), (["[What|Which] is the smallest bird?"], "The bee hummingbird is the smallest bird."), (["[What|Which] is the coldest [place|continent][?| on Earth?]"], "Antarctica is the coldest continent."),
    (["[What|Which] language [do people speak|is spoken] in [Brazil]?"], "People in Brazil speak Portuguese."), (["[What|Which] language [do people speak|is spoken] in [Austria]?"], "People in Austria speak German."), (["[What|Which] language [do people speak|is spoken] in [Mexico]?"], "People in Mexico speak Spanish."),
    (["[What|Which] [currency|money] [is used|do people use] in Japan?"], "In Japan people pay with the yen."), (["[What|Which] [currency|money] [is used|do people use] in [Germany|France|Italy|Spain]?"], "People pay with the euro there."),
    (["[What|Which] [currency|money] [is used|do people use] in [the United States|America]?"], "In the United States people pay with the dollar."), (["[What|Which] [currency|money] [is used|do people use] in [England|Britain|the United Kingdom]?"], "In the United Kingdom people pay with the pound."),
    (["How many bones [does a person|does the human body] have?"], "A grown person has 206 bones."), (["How many teeth does a[ grown|n adult] person have?"], "A grown person has up to 32 teeth."), (["How long is a marathon?"], "A marathon is about 42 kilometres long."),
    (["How far is [the moon|it to the moon]?"], "The moon is about 384,000 kilometres away."), (["How old is the Earth?"], "The Earth is about four and a half billion years old."), (["How big is the Earth?"], "The Earth is about 12,700 kilometres across."),
    (["How do [I|you] say hello in [French]?"], "Hello in French is bonjour."), (["How do [I|you] say hello in [Spanish]?"], "Hello in Spanish is hola."), (["How do [I|you] say hello in [German]?"], "Hello in German is hallo."), (["How do [I|you] say hello in [Italian]?"], "Hello in Italian is ciao."),
    (["How do [I|you] say thank you in [French]?"], "Thank you in French is merci."), (["How do [I|you] say thank you in [Spanish]?"], "Thank you in Spanish is gracias."), (["How do [I|you] say thank you in [German]?"], "Thank you in German is danke."),
]

UNKNOWN = """[Who won|Who is going to win|What was the result of] [the election|the match|the game|the race|the chess game] [yesterday|last night|last week|in {city}|this year]?
[What is|What's] the [weather|temperature] [today|now|in {city}|in {city} today|tomorrow]?
[Is it raining|Is it snowing|Is it warm] [in {city}|outside|now]?
[What time is it|What is the time|What day is it|What is the date today|What year is it|Which day is today][?| in {city}?]
[What is|What's] the [price of gold|stock price of {company}|price of bitcoin|exchange rate of the dollar][?| today?]
What is [{name} {surname}'s|my neighbour's|my teacher's|{name}'s] [phone number|address|birthday|favourite food|age]?
Who is {name} {surname}?
[When was|Where was] {name} {surname} born?
What did {name} {surname} [do|say|write|invent] [yesterday|in 1987|last year|]?
[How many people live|Who is the mayor|How high is the tower|What is the best restaurant|How many trees are there] in {city}?
[What is|What's] [my password|my address|in my pocket|behind me|on my desk|my favourite film|my mother's name]?
What [am I thinking|will happen tomorrow|are the lottery numbers|did I eat this morning|will I dream tonight]?
What is the capital of [Zubrowka|Narnia|Eldoria|Wakanda|Ruritania|Atlantis|Florin|Genovia|Freedonia|Syldavia]?
[Who wrote|Who painted|Who composed] [the book|the song|the picture] "[The Silver|The Last|A Green|My Lost|The Third] [Door|River|Tuesday|Umbrella|Violin]"?
[Explain|Tell me about|What is] [quantum chromodynamics|the Riemann hypothesis|the stock market|general relativity|the tax law of {city}|blockchain mining|organic chemistry][?|.]
[How many|Exactly how many] [stars are in the sky|grains of sand are on the beach|hairs do I have|fish are in the sea]?
[What happened|What is new|What's the news] [today|in {city}|in the world|this morning]?
[When does|When will] [the next train|the bus|the shop|the film|the concert] [leave|open|start|arrive][?| in {city}?]
[What is|What's] the [square root of {n}|{n}th prime number|{n}th digit of pi]?
What is {n} [times|multiplied by] {n2}?
What is the capital of [{coin}|{coin}|Zanzibar|Texas|Bavaria|Sicily|Hawaii|Tasmania|Siberia|Crete]?
Who wrote [{coin}|"{Adj} {noun}"|The {Adj} {Noun}|The {Noun} of {coin}]?
Who [invented|discovered|built|painted|designed] the [{noun}|{adj} {noun}|{coin}]?
[How tall|How old|How big|How heavy|How far|How deep] is [{coin}|the {noun} of {coin}|the {adj} {noun}]?
Why [is|was] [the {noun}|a {noun}] [so {adj}|{adj}]?
Why did [{name} {surname}|{coin}|the {noun}] [leave|stop|change|fall|win|lose]?
[What is|What's] [a {coin}|the {coin}|{coin}|{coin} {noun}]?
[Who is|Who was] [{coin}|{coin} {surname}|the {noun} of {coin}]?
How many {noun}s [are there in {city}|does {name} have|were sold in {city}]?
[When was|When did] [the {noun} invented|{coin} begin|the {adj} {noun} war|{coin} found the {noun}]?
Where is [{coin}|the {adj} {noun}|{name}'s {noun}|the {noun} of {coin}]?
[Tell me about|Explain|Describe] [{coin}|the {adj} {noun}|the history of {city}|the {noun} of {coin}][.|]
What do you know about [{coin}|{name} {surname}|the {adj} {noun}]?""".split("\n")
DONT_KNOW = ["I am sorry, I do not know that."]

SYSTEMS = ["You are a helpful assistant.", "Answer the question.", "Answer briefly.", "You are a teacher.", "Answer in one sentence.", "You are a friendly assistant."]


def fact_pair(rng, split):
    """(question, full answer, short answer or None) about something in the tables."""
    r = rng.random()
    s = split
    if r < 0.20:
        country = one_of(rng, list(words.CAPITALS))
        city = words.CAPITALS[country]
        if rng.random() < 0.8:
            q = Env(rng, c=country).say(one_of(rng, WORDINGS[s]["capital"]))
            return q, "The capital of %s is %s." % (country, city), city
        return ("%s is the capital of which country?" % city if rng.random() < 0.5 else "Which country has the capital %s?" % city), \
            "%s is the capital of %s." % (city, country), country.replace("the ", "")
    if r < 0.38:
        name = one_of(rng, list(ANIMAL_FACTS))
        young, sound, group, legs, eats = ANIMAL_FACTS[name]
        k = rng.randrange(5)
        a = with_article(name)
        if k == 0:
            return Env(rng, a=a).say(one_of(rng, WORDINGS[s]["young"])), "A young %s is called %s." % (name, with_article(young)), young
        if k == 1 and sound:
            return Env(rng, a=a).say(one_of(rng, WORDINGS[s]["sound"])), "%s says %s." % (capitalise(a), sound) if sound in ("moo", "woof", "meow", "baa", "oink",
                   "quack", "hee-haw") else "The sound of %s is called %s." % (a, with_article(sound)), sound
        if k == 2:
            return Env(rng, a=a, g=one_of(rng, ["mammal", "bird", "fish", "insect", "reptile"])).say(one_of(rng, WORDINGS[s]["group"])), \
                "%s is %s." % (capitalise(a), with_article(group)), group
        if k == 3:
            legs_word = words.number_word(legs) if legs else "no"
            return Env(rng, a=a).say(one_of(rng, WORDINGS[s]["legs"])), "%s has %s %s." % (capitalise(a), legs_word, "arms" if name == "octopus" else "legs"), \
                str(words.number_word(legs))
        return Env(rng, a=a).say(one_of(rng, WORDINGS[s]["eats"])), "%s eats %s." % (capitalise(a), eats), None
    if r < 0.52:
        a, b = one_of(rng, OPPOSITES)
        if rng.random() < 0.5 and a not in ("light", "short", "right") and b not in ("light", "short", "lose"):
            a, b = b, a
        return Env(rng, w=a).say(one_of(rng, WORDINGS[s]["opposite"])), "The opposite of %s is %s." % (a, b), b
    if r < 0.58:
        a, b = one_of(rng, PLURALS)
        return Env(rng, w=a).say(one_of(rng, WORDINGS[s]["plural"])), "The plural of %s is %s." % (a, b), b
    if r < 0.64:
        a, b = one_of(rng, PASTS)
        return Env(rng, w=a).say(one_of(rng, WORDINGS[s]["past"])), "The past tense of %s is %s." % (a, b), b
    if r < 0.71:
        thing = one_of(rng, list(COLOUR_OF))
        return Env(rng, t=thing).say(one_of(rng, WORDINGS[s]["colour"])), "%s is %s." % (capitalise(thing), COLOUR_OF[thing]), COLOUR_OF[thing]
    if r < 0.76:
        return calendar(rng)
    questions, answer = one_of(rng, GENERAL)
    return Env(rng).say(one_of(rng, questions)), answer, None


def calendar(rng):
    seq, unit = (words.DAYS, "day") if rng.random() < 0.5 else (words.MONTHS, "month")
    i = rng.randrange(len(seq))
    step, word = one_of(rng, [(1, "after"), (-1, "before")])
    answer = seq[(i + step) % len(seq)]
    q = one_of(rng, ["What %s comes %s %s?", "Which %s comes %s %s?", "Which %s is right %s %s?", "What %s is %s %s?"]) % (unit, word, seq[i])
    return q, "%s comes %s %s." % (answer, word, seq[i]), answer


WORDING = {
    "capital": ["What is the capital of {c}?", "What's the capital of {c}?", "Which city is the capital of {c}?", "Name the capital of {c}.", "Tell me the capital of {c}.",
                "Do you know the capital of {c}?", "What is {c}'s capital?", "{C}: what is the capital?", "Capital of {c}?", "I forgot the capital of {c}. What is it?",
                "Which is the capital city of {c}?"],
    "young": ["What is a young {a0} called?", "What do you call the young of {a}?", "What is the baby of {a} called?", "What is the young of {a}?", "How is the baby of {a} called?"],
    "sound": ["What sound does {a} make?", "What does {a} say?", "What noise does {a} make?", "Which sound does {a} make?", "How does {a} sound?"],
    "group": ["Is {a} a {g}?", "What kind of animal is {a}?", "Which group of animals does {a} belong to?", "What is {a}: a mammal, a bird or something else?"],
    "legs": ["How many legs does {a} have?", "How many legs has {a}?", "Tell me how many legs {a} has."],
    "eats": ["What does {a} eat?", "What do you feed {a}?", "What is the food of {a}?", "Tell me what {a} eats."],
    "opposite": ["What is the opposite of {w}?", "What's the opposite of {w}?", "Name the opposite of {w}.", "Tell me the opposite of {w}.", "Which word is the opposite of {w}?",
                 "Opposite of {w}?", "Give me the opposite of the word {w}.", "What is the contrary of {w}?"],
    "plural": ["What is the plural of {w}?", "Give me the plural of {w}.", "Plural of {w}?", "One {w}, two ...?", "What's the plural form of {w}?"],
    "past": ["What is the past tense of {w}?", "What is the past of {w}?", "Give me the past tense of {w}.", "What is the simple past of {w}?"],
    "colour": ["What colour is {t}?", "Which colour is {t}?", "What color is {t}?", "What is the colour of {t}?", "Tell me the colour of {t}.", "Which colour does {t} have?"],
}
WORDING["young"] = [w.replace("{a0}", "one of {a}").replace("What is a young one of {a} called?", "What do we call a baby of {a}?") for w in WORDING["young"]]
WORDINGS = {s: {k: hold_out(v, s, 7) for k, v in WORDING.items()} for s in ("train", "test")}


def unknown(rng):
    env = Env(rng, city=words.city(rng), company=one_of(rng, words.COMPANIES), name=one_of(rng, words.GIRLS + words.BOYS),
              surname=words.surname(rng), coin=words.coin(rng), noun=one_of(rng, words.NOUNS), adj=one_of(rng, words.ADJECTIVES), n=str(rng.randint(130, 99999)), n2=str(rng.randint(130, 9999)))
    return env.say(one_of(rng, UNKNOWN)), one_of(rng, DONT_KNOW)


def make(rng, split, system=None):
    if system is None and rng.random() < 0.2:
        system = one_of(rng, SYSTEMS)
    chat = Chat("knowledge", system)
    for _ in range(rng.choice([1, 1, 2, 3, 4]) if split == "train" else 1):
        if rng.random() < 0.25:
            q, a = unknown(rng)
        else:
            q, a, _ = fact_pair(rng, split)
        chat.user(roughen(q, rng) if split == "train" else q).bot(a)
    return chat
