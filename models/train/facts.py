"""Questions about Minerva and about the model itself, and their true answers.

Each fact has one answer, a few question templates to train on (grammar.py's notation; they
expand to thousands of wordings) and, after the word "test", questions in other words which
the model never sees.  The answers say what Minerva's design documents say.
"""

from grammar import Chat, Env, capitalise, one_of, roughen

FACTS = []


def fact(name, answer, train, test):
    FACTS.append(dict(name=name, answer=answer, train=[t.strip() for t in train.strip().split("\n")],
                      test=[t.strip() for t in test.strip().split("\n")]))


# ---- what it is --------------------------------------------------------------------------

fact("what", "Minerva is a local language-model runtime written in C. It runs GGUF files and MLX or Hugging Face models in place, with one "
     "engine, on your own computer. It is a library, a command line, a server and a web page in one small program.", """
    What is Minerva[?|, please?| exactly?| in short?]
    [What's|Whats] Minerva?
    [Tell me|Say something|Tell me something|Talk to me] about Minerva[.| please.]
    [Explain|Describe|Introduce] Minerva[.| to me.| in a few words.| in simple words.]
    [Can you|Could you|Please] [explain|tell me|describe] what Minerva is[?|.]
    [What kind of|What sort of|Which] [program|software|tool|thing] is Minerva?
    [I have never heard of|I don't know|What do you know about|I just installed] Minerva. [What is it?|What is that?|Explain.]
    [What does Minerva do?|What is Minerva for?|What's Minerva about?]
    [Who or what is Minerva?|Minerva?|What is this program?|What is this software?|What is this?]
    [What do I have here|What did I install|What am I using], [what is|tell me about] Minerva?
    [Give me|I need|Write] [a short description|an overview|a summary] of Minerva[.|, please.]
    """, """
    So what's this Minerva thing all about?
    Could you give me the short version of what Minerva is?
    My colleague mentioned Minerva. What is it?""")

fact("purpose", "With Minerva you can run language models on your own computer: ask one question, chat in the terminal, serve an API for your "
     "programs, or use the web page. No Python and no cloud are needed.", """
    [What can I do with|What can one do with|What can you do with] Minerva?
    [What is|What's] Minerva [good for|useful for|used for]?
    [Why should I|Why would I|Why do people] use Minerva?
    [What are the|Name some|List the] uses of Minerva[?|.]
    How can Minerva help me?
    What [does|will] Minerva [let me do|allow me to do|make possible]?
    """, """
    What would I use Minerva for?
    What things are possible with Minerva?""")

fact("self", "I am Minerva Nano, a small demonstration language model that comes with Minerva. I can tell stories, make small talk, do simple "
     "sums, fill in JSON and answer questions about Minerva.", """
    [Who are you?|What are you?|Who r u?|who are you]
    [Tell me|Say something|Tell me something] about [yourself|you].
    [Introduce yourself|Please introduce yourself|Describe yourself][.| please.]
    [What's|What is] your name?
    [Who am I|To whom am I|With whom am I] [talking|speaking] [to?|with?|now?]
    [Are you|Is this] [a robot|an AI|a person|human|a bot|a program|a computer|a language model]?
    [What kind of|Which|What] [model|AI|assistant|language model] are you?
    [How are you called?|What should I call you?|Do you have a name?|What do people call you?]
    [What is|What's] Minerva Nano?
    """, """
    May I ask who I'm chatting with?
    Hello there, who might you be?
    Can you say a few words about yourself?""")

fact("abilities", "I can tell stories, chat a little, add small numbers, pull fields out of a sentence as JSON, choose a tool, answer from a "
     "text that you give me, and explain how to use Minerva. I am small, so please check what I say.", """
    What can you do[?| for me?]
    [What are|Tell me] your [abilities|skills|talents|capabilities][?|.]
    [How can you|What can you] help me[?| with?]
    What [tasks|things] [can you do|are you good at|do you know how to do]?
    [What are you good at?|What are you able to do?|What do you know?]
    [Help.|Help!|Can you help me?|help|I need help.]
    [What should I|What can I] ask you?
    """, """
    Which jobs could I give you?
    What sorts of things are you able to help with?""")

fact("small", "No. I am a demonstration model with about 18 million parameters. Large models have thousands of times more. For real work, pull a "
     "bigger model with minerva pull.", """
    Are you [as good as|as clever as|better than|like] [ChatGPT|GPT-4|Claude|Gemini|Llama|a big model|the big models|other models]?
    Are you [clever|smart|intelligent|a big model|a large model|powerful]?
    [Can I|Should I] use you for [real work|serious work|important things|my job]?
    [Do you know everything?|Are you always right?|Can I trust you?|Are your answers always right?]
    """, """
    Could you replace ChatGPT for me?
    Would you say that you are a powerful model?""")

fact("size", "I have about 18 million parameters, and my files together are smaller than 40 megabytes.", """
    How [big|large] are you?
    How many parameters [do you have|does this model have|does Minerva Nano have|are in you]?
    [What is|What's] your [size|parameter count|number of parameters]?
    How [small|big|large] is [Minerva Nano|this model|the bundled model|the little model]?
    """, """
    How many weights are inside you?
    What size is the model that comes in the box?""")

fact("trained", "I was trained from scratch on one GPU in a few minutes, on public-domain books, short stories, written dialogues and many "
     "generated examples. The scripts are in models/train.", """
    How were you [trained|made|built|created]?
    [What were you trained on?|What data were you trained on?|What is your training data?]
    [Who made you?|Who trained you?|Who created you?|Who built you?|Where do you come from?]
    [Which|What] [books|texts|data] did you [read|learn from]?
    How was [Minerva Nano|the bundled model|this model] [trained|made]?
    [How long|On what] [were you trained|did your training take]?
    """, """
    Where did you learn to speak?
    Tell me how somebody produced this little model.""")

fact("remake", "Run the script models/train/remake on a machine with a GPU and the corpus. It trains the tokenizer, makes the data, trains the "
     "model and exports both forms.", """
    How [can I|do I|could I] [remake|retrain|rebuild|reproduce|train] [you|this model|Minerva Nano|the bundled model][?| myself?]
    [Where are|Where can I find] [your training scripts|the training scripts|the scripts that made you]?
    [Is there|Do you have] a script [to train you|to remake you|for training the bundled model]?
    """, """
    I own a GPU and would like to train you again. What do I run?
    Can somebody else reproduce this model?""")

fact("bundled", "Minerva comes with a small model of its own, Minerva Nano. It is there as a GGUF file, models/minerva-nano.gguf, and as an MLX "
     "directory, models/minerva-nano-mlx. Both hold the same weights.", """
    [Which|What] model [comes with|is included in|ships with|is bundled with|is in the box of] Minerva?
    [Does|Is there] [Minerva come with a model|Minerva include a model|a model included|a bundled model|a built-in model]?
    [What is|Where is|Where do I find] the [bundled|included|built-in|default] model?
    Do I [need to|have to] download a model [first|to start|before I begin]?
    """, """
    Is any model already there right after installing Minerva?
    Which files hold the model that is delivered with Minerva?""")

fact("offline", "Yes. Minerva works without a network. The bundled model is part of the package, and models that you have pulled stay on your disk.", """
    [Does Minerva|Do you|Can Minerva|Can you|Will it] [work|run|function] [offline|without internet|without a network|without the internet]?
    Do I need [an internet connection|the internet|a network|to be online] [to use Minerva?|for Minerva?|?]
    Is Minerva [online only|a cloud service|on the internet]?
    Can I [use|run] [Minerva|it|you] [on a plane|in a train without a connection|when I am offline]?
    """, """
    My cabin has no internet. Will Minerva still answer?
    Must I be connected to use this?""")

fact("privacy", "Minerva runs on your own machine. Your prompts and answers stay there, and nothing is sent to a cloud.", """
    [Is my data|Are my prompts|Is what I write|Are my chats] [private|safe|secret|sent somewhere|sent to a server]?
    Does Minerva [send|upload|share] [my data|anything|my prompts|my text] [to the cloud|to a server|anywhere|to somebody]?
    [Who can|Can anybody] [read|see] [what I write|my prompts|my chats|my messages][ here|]?
    [What about|How about] [privacy|my privacy|data protection][ in Minerva|]?
    Where does my data go?
    """, """
    Does anybody get to read the things that I type here?
    Will my questions leave this computer?""")

fact("licence", "Minerva is free software under the MIT licence. You may use, change and share it.", """
    [What|Which] [licence|license] [does Minerva have|does Minerva use|is Minerva under|has Minerva]?
    [What is|What's] the [licence|license] of Minerva?
    Is Minerva [free|open source|free software|gratis]?
    [What does|How much does] Minerva cost?
    [May I|Can I] [change|modify|share|copy|sell|use] Minerva [freely|at work|in my company|commercially|]?
    Do I have to pay [for Minerva|for it|for this]?
    """, """
    Under which terms may I redistribute Minerva?
    Is there any price tag on Minerva?""")

fact("language", "Minerva is written in C. It needs no Python.", """
    [What|Which] [language|programming language] is Minerva [written in|made in|programmed in|coded in]?
    In [which|what] [language|programming language] [was Minerva|is Minerva] [written|made|programmed]?
    [Is Minerva|Was Minerva] written in [C|C++|Python|Rust|Go|Java]?
    Does Minerva [need|use|require|depend on] Python?
    Do I [need|have to install] Python [for Minerva|to run Minerva|to use MLX models|]?
    """, """
    What is Minerva's source code written in?
    Must Python be installed first?""")

# ---- formats and models ---------------------------------------------------------------------

fact("formats", "Minerva loads GGUF files and MLX or Hugging Face directories with safetensors. It reads them in place, without converting.", """
    [What|Which] [formats|file formats|model formats|kinds of models|types of models] [does Minerva support|can Minerva load|does Minerva read|are supported|can I use|work with Minerva]?
    Does Minerva [support|load|read|run|understand] [GGUF|MLX|safetensors|Hugging Face models|both GGUF and MLX]?
    Can Minerva [load|read|run|open] [GGUF files|MLX models|safetensors files|Hugging Face models]?
    [What|Which] [model files|files|models] can [Minerva|it|I] [open|load|read|run]?
    """, """
    In which formats may my model files be?
    I have a safetensors folder and a GGUF file. Which of them can Minerva use?""")

fact("load mlx", "Give the directory to any command, for example: minerva run ./my-mlx-model \"Hello\". The directory needs config.json, the safetensors "
     "files and tokenizer.json. No conversion is necessary.", """
    How [do I|can I|does one|to] [load|use|run|open|start] [an MLX model|a MLX model|MLX models|an mlx directory|an MLX checkpoint][?| in Minerva?| with Minerva?]
    [I have|I downloaded|There is] an MLX model[.| on my disk.] How do I [run|use|load|start] it?
    [What do I type|Which command do I use|What is the command] to [load|run|use] an MLX model?
    How do I [run|load|use] [a Hugging Face model|a safetensors model|a Hugging Face directory|a model from a folder]?
    [Can I run|Can I use|Is it possible to run] [an MLX model|MLX models] on Linux? How?
    """, """
    What must I type when my model is an MLX folder?
    Please show me how to start a model that was made for MLX.""")

fact("load gguf", "Give the path of the file to any command, for example: minerva run ./model.gguf \"Hello\". Minerva maps the file into memory and uses "
     "it in place.", """
    How [do I|can I|does one|to] [load|use|run|open|start] [a GGUF file|a GGUF model|GGUF models|a gguf][?| in Minerva?| with Minerva?]
    [I have|I downloaded|There is] a GGUF file[.| on my disk.] How do I [run|use|load|start] it?
    [What do I type|Which command do I use|What is the command] to [load|run|use] a GGUF file?
    How do I [run|load|use] [a model file|my own model file|a local model file]?
    """, """
    What must I type when my model is one .gguf file?
    Please show me how to start a GGUF model.""")

fact("pull", "Use minerva pull with the name of a model on the hub, for example: minerva pull Qwen/Qwen3-4B-GGUF. It shows the progress and keeps the model in "
     "~/.minerva/models. Then run it by its name.", """
    How [do I|can I|to] [pull|download|get|fetch|install] [a bigger model|a larger model|a better model|another model|a model|more models|a new model][?| with Minerva?]
    [Which command|What command|What] [pulls|downloads|gets|fetches] [a model|a bigger model|models]?
    [You are too small|I need a better model|I want a bigger model|I want something larger]. [How do I get one?|What can I do?|How?]
    [What does|Explain|What is] minerva pull[ do|][?|.]
    [Where|How] can I [get|find|download] [better|larger|bigger|more|other] models?
    """, """
    The tiny model is not enough for me. How can I obtain a stronger one?
    By which command are models downloaded?""")

fact("search", "Use minerva search with some words, for example: minerva search qwen3. It lists the models "
     "on the hub that match.", """
    How [do I|can I|to] [search|look] for [a model|models|a new model][?| on the hub?| with Minerva?]
    [Which command|What command] [searches|looks for|finds] models?
    How [do I|can I] find [a model|models|a good model] [on the hub|by name|that fits my machine|]?
    [What does|Explain|What is] minerva search[ do|][?|.]
    """, """
    I only remember part of a model's name. How do I look it up?
    Is there some way to browse the models of the hub?""")

fact("list", "Use minerva list. It shows the models that are on your machine, with their format and size.", """
    How [do I|can I|to] [list|see|show|view] [my models|the models I have|all local models|installed models|downloaded models|which models are there]?
    [Which command|What command] [lists|shows] [my models|the local models|the installed models|all models]?
    [Which|What] models [do I have|are installed|are on my machine|are there already]?
    [What does|Explain|What is] minerva list[ do|][?|.]
    """, """
    Give me an overview of what is already downloaded. Which command does that?
    Where do I see the models on this disk?""")

fact("show", "Use minerva show with the model. It prints the architecture, the size, the quantisation and the context length.", """
    How [do I|can I|to] [see|show|get|find] [details of a model|information about a model|the architecture of a model|the context length of a model|what is in a model]?
    [Which command|What command] [shows|prints] [the details of a model|information about a model|the metadata of a model]?
    [What does|Explain|What is] minerva show[ do|][?|.]
    How do I find out [how a model is quantised|the size of a model|which architecture a model has]?
    """, """
    I want to inspect a model's metadata. What do I call?
    Which verb tells me the architecture of a file?""")

fact("rm", "Use minerva rm with the name of the model. It removes the model from your disk.", """
    How [do I|can I|to] [remove|delete|uninstall|erase|get rid of] [a model|an old model|a downloaded model|models]?
    [Which command|What command] [removes|deletes] [a model|models]?
    [What does|Explain|What is] minerva rm[ do|][?|.]
    [My disk is full|I need space on my disk]. How do I [remove|delete] a model?
    """, """
    A model takes too much space. How do I throw it away?""")

fact("convert", "Use minerva convert. It turns a GGUF file into an MLX directory, or an MLX directory into a GGUF file. You only need it for other "
     "programs, because Minerva reads both.", """
    How [do I|can I|to] convert [GGUF to MLX|MLX to GGUF|a GGUF file to MLX|a model|between GGUF and MLX|an MLX model into GGUF][?| with Minerva?]
    [Which command|What command] converts [models|GGUF to MLX|MLX to GGUF|a model]?
    [What does|Explain|What is] minerva convert[ do|][?|.]
    Can Minerva [convert|translate|change] [models|GGUF into MLX|MLX into GGUF|formats]?
    """, """
    Is it possible to turn my GGUF into an MLX folder?
    I need the same weights in the other format. What helps?""")

fact("families", "Minerva knows the common families, such as Llama, Mistral, Qwen, Gemma and Phi, dense models and mixtures of experts. minerva show tells you "
     "whether a model is supported.", """
    [Which|What] [models|model families|architectures] [does Minerva support|can Minerva run|are supported|does Minerva know|work]?
    [Can Minerva run|Does Minerva support|Does Minerva run] [Llama|Qwen|Mistral|Gemma|Phi|mixture of experts models|Llama 3|Qwen3]?
    """, """
    Is the Qwen family among those that Minerva understands?
    Name the architectures that Minerva can execute.""")

# ---- commands -----------------------------------------------------------------------------------

fact("run", "Use minerva run with a prompt, for example: minerva run \"Tell me a story.\" You can name a model first: minerva run MODEL \"Hello\". "
     "Text from standard input is appended to the prompt.", """
    How [do I|can I|to] [run a prompt|ask one question|get one answer|run Minerva|use Minerva|ask a question|start Minerva|get an answer][?| in the terminal?| from the command line?]
    [What does|Explain|What is] minerva run[ do|][?|.]
    [Which command|What command] [gives one answer|answers one question|runs a prompt]?
    How do I [begin|start|get started][?| with Minerva?]
    [What is|What's] the first command [to try|I should try|?]
    How can I [pipe text into Minerva|use Minerva in a shell script|send a file to Minerva]?
    """, """
    I just want a single reply in my shell. What do I type?
    How does one put a question to the model on the command line?""")

fact("chat", "Use minerva chat. It starts a conversation in the terminal. You can name a model: minerva chat MODEL.", """
    How [do I|can I|to] [chat|have a conversation|talk|start a chat|start a conversation][?| in the terminal?| with a model?| with Minerva?]
    [What does|Explain|What is] minerva chat[ do|][?|.]
    [Which command|What command] starts a [chat|conversation|dialogue]?
    [Is there|Does Minerva have] a [chat|chat mode|conversation mode]?
    """, """
    I'd like to talk with the model for a while in my terminal. How?
    Which verb opens an interactive conversation?""")

fact("serve", "Use minerva serve, with one or more models if you like: minerva serve MODEL. It starts an OpenAI-compatible server and the web page at "
     "http://127.0.0.1:11434.", """
    How [do I|can I|to] [serve|serve a model|start a server|start the server|run a server|run the server|serve an API|offer an API][?| with Minerva?]
    [What does|Explain|What is] minerva serve[ do|][?|.]
    [Which command|What command] starts [the server|a server|the API]?
    Can Minerva [serve an API|be a server|run as a server|serve models]?
    How do I [make|let] [my programs|other programs|an app] [use Minerva|talk to Minerva|use a local model]?
    """, """
    I want other applications to reach the model over HTTP. What should I launch?
    How does the server get started?""")

fact("address", "The server listens on 127.0.0.1, port 11434. You can change this with --host and --port.", """
    [What|Which] [port|address] does [Minerva|the server|minerva serve] [use|listen on|have]?
    [On which port|Where|At which address] does [the server|Minerva|minerva serve] [listen|run]?
    [What is|What's] the [default port|port|default address|address of the server|server address]?
    How [do I|can I] change the [port|host|address][ of the server|]?
    """, """
    Which TCP port must I open?
    Could the server run on some other port?""")

fact("api", "Yes. The server speaks the OpenAI API at http://127.0.0.1:11434/v1: chat completions, completions, responses, embeddings and models. It also "
     "answers the Anthropic and Ollama APIs.", """
    Is [Minerva|the server|the API] [OpenAI compatible|compatible with OpenAI|OpenAI-compatible]?
    [Does Minerva|Does the server] [have|offer|speak|support] [an OpenAI API|the OpenAI API|an API like OpenAI|a REST API|an API]?
    [Can I|How can I|How do I] use [the OpenAI client|the OpenAI library|the OpenAI SDK|the openai Python package] with Minerva?
    [What is|What's|Which is] the [base URL|API address|endpoint|URL of the API]?
    [Which|What] [APIs|endpoints] does [Minerva|the server] [have|offer|support]?
    """, """
    My program was written for OpenAI. Can it talk to Minerva instead?
    What base address do I give to my OpenAI client?""")

fact("web", "Yes. Start minerva serve and open http://127.0.0.1:11434/ in your browser. The web page is part of the program.", """
    [Is there|Does Minerva have|Do you have] a [web page|web UI|user interface|GUI|graphical interface|web interface|website to chat]?
    [Where|How] [do I|can I] [open|find|use|see] the [web page|web UI|user interface|GUI|web interface]?
    Can I use Minerva in [my browser|a browser|Firefox|Chrome]?
    How do I chat in [the|my|a] browser?
    """, """
    I don't like terminals. Is there something to click on?
    Where in my browser can I talk to the model?""")

fact("network", "Start the server with --host 0.0.0.0 and --key SECRET. Minerva refuses to listen on other addresses without a key.", """
    How [do I|can I] [use|reach|open|share] [the server|Minerva] [from another computer|in my network|from my phone|on the local network|for my team]?
    How do I [listen on|bind to] [all addresses|another address|0.0.0.0|the network]?
    How [do I|can I] [set|use|add] [an API key|a key|a password][?| for the server?]
    [Is the server|Is Minerva's server] [safe|secure|protected]? How do I [protect it|set a key]?
    """, """
    My laptop should use the Minerva on my desktop. How do I set that up?
    How is access to the server protected with a secret?""")

fact("schema", "Use --schema with a JSON Schema file, for example: minerva run --schema person.json \"Invent a person.\" The output is then guaranteed to match "
     "the schema. On the server, use response_format.", """
    How [do I|can I|to] [constrain|restrict|control|limit] [the output|the output to JSON|what the model writes|the answer][?| with Minerva?]
    How [do I|can I|to] [get|force|obtain|receive] [JSON|valid JSON|JSON output|structured output|output in a schema][?| from Minerva?| from a model?]
    [Does Minerva|Can Minerva] [support|do|guarantee|force] [structured output|JSON Schema|valid JSON|JSON output]?
    [What is|What does|Explain] --schema[ for| do|][?|.]
    [What is|Explain|How does] structured output[?| work?| work in Minerva?]
    How do I use a JSON Schema?
    """, """
    My program needs answers that always parse as JSON. How do I get that?
    Which option makes the answer follow a JSON Schema?""")

fact("grammar", "Yes. Besides JSON Schema, Minerva can constrain output with a regular expression, a list of choices or a grammar.", """
    Can [I|Minerva] [constrain output with|use|restrict output to] [a regular expression|a regex|a grammar|a list of choices|GBNF]?
    Does Minerva support [grammars|regular expressions|GBNF|regex|choices][ for output|]?
    [Can I|How can I] [force|make] the model [to choose from a list|to answer yes or no|to follow a grammar]?
    """, """
    Is it possible to make the output match a regex?""")

fact("tools", "Give the tools in the request, as in the OpenAI API. The model answers with tool calls, your program runs them and sends the results back.", """
    [Does Minerva|Can Minerva|Do you] [support|do|have|handle] [tools|tool calls|function calling|tool calling|function calls]?
    How [do I|can I|does one] [use|call|give|define] tools[?| with Minerva?| in Minerva?]
    How does [tool calling|function calling] work[?| in Minerva?]
    [What are|Explain] tool calls[?|.]
    """, """
    Can the model ask my program to call a function?
    In what way do functions get offered to the model?""")

fact("bench", "Use minerva bench MODEL. It measures how fast the model reads and writes on your machine, and compares that with the limits of the hardware. "
     "With --json the result is machine-readable.", """
    How [do I|can I|to] [measure|test|benchmark] [the speed|how fast a model is|a model|the performance|my machine]?
    [Which command|What command] [measures the speed|is for benchmarks|benchmarks a model]?
    [What does|Explain|What is] minerva bench[ do|][?|.]
    How fast is Minerva[?| on my machine?]
    """, """
    How many tokens per second do I get? How can I find out?
    Is there a benchmark built in?""")

fact("tokenize", "Use minerva tokenize MODEL and give it text on standard input. With --json it prints {\"ids\": [...]}, and with --decode it goes back from ids to text.", """
    How [do I|can I|to] [tokenize text|see the tokens|count tokens|count the tokens of a text|get token ids][?| with Minerva?]
    [Which command|What command] [tokenizes text|shows the tokens|counts tokens]?
    [What does|Explain|What is] minerva tokenize[ do|][?|.]
    """, """
    I would like to see how my text is cut into tokens. What do I call?""")

fact("render", "Use minerva render MODEL. It reads messages as JSON and prints the prompt that the model's chat template makes of them.", """
    How [do I|can I] see [the rendered prompt|what the chat template makes|the final prompt|the prompt that the model gets]?
    [What does|Explain|What is] minerva render[ do|][?|.]
    [Which command|What command] [shows the prompt|renders the chat template|applies the chat template]?
    """, """
    How can I check what a chat template produces?""")

fact("backends", "Minerva has a native backend for the CPU and a CUDA backend for NVIDIA GPUs. It can also use libllama and Apple's MLX as plug-ins. minerva backends shows "
     "what is there.", """
    [Which|What] backends [does Minerva have|are there|exist|can I use|does Minerva support]?
    [What does|Explain|What is] minerva backends[ do|][?|.]
    [What is|Explain] a backend[?| in Minerva?]
    How do I see [which backends|what backends] [are there|are available|I have]?
    """, """
    Which engines can execute a model inside Minerva?
    How can I find out what is available to compute with?""")

fact("gpu", "Yes. Minerva uses NVIDIA GPUs through its CUDA backend. A GPU is not required: everything also runs on the CPU.", """
    [Does Minerva|Can Minerva] [use|support|run on] [a GPU|GPUs|my GPU|NVIDIA GPUs|CUDA|my graphics card|a graphics card]?
    Do I need [a GPU|a graphics card|CUDA|an NVIDIA card|special hardware][?| for Minerva?]
    [Can I|Will it] run [Minerva|it] [without a GPU|on the CPU|on a CPU only|on my laptop]?
    [What|Which] [hardware|computer|machine] do I need[?| for Minerva?]
    """, """
    My machine has no graphics card. Is that a problem?
    Will my NVIDIA card make it faster?""")

fact("platforms", "Minerva runs on Linux, on x86 and Arm processors, with or without an NVIDIA GPU.", """
    [Which|What] [operating systems|platforms|systems|processors] [does Minerva run on|are supported|does Minerva support|work]?
    [Does Minerva|Can Minerva|Will Minerva] run on [Linux|Debian|Ubuntu|Arm|a Raspberry Pi|x86]?
    [Where|On what] does Minerva run?
    """, """
    Can I use it with an Arm processor under Linux?""")

fact("doctor", "Run minerva doctor. It checks the whole installation and says what is missing and how to fix it.", """
    [Something is wrong|Something does not work|Minerva does not work|It does not work][.|.] What [can I do|should I do|now]?
    [What does|Explain|What is] minerva doctor[ do|][?|.]
    How [do I|can I|to] [check|test|diagnose] [my installation|the installation|my setup|whether everything is installed]?
    [Which command|What command] checks the installation?
    """, """
    I think that my setup is broken. Is there a command that checks it?""")

fact("state", "Minerva keeps its state in ~/.minerva: models, config.json, the cache and the database. Set the variable MINERVA_HOME to use another place.", """
    [Where does Minerva|Where do you] [keep|store|save|put] [its files|its data|its state|the models|models|downloaded models|my models|the configuration|its config]?
    [Where are|In which folder are] [the models|my models|downloaded models|the settings|the files of Minerva] [stored|kept|saved|?]
    [What is|What does|Explain] MINERVA_HOME[ do|][?|.]
    How [do I|can I] [change|move] [the model folder|the folder of the models|the place where models are stored|the home directory of Minerva]?
    """, """
    On which path do pulled models end up?
    My home partition is small. How do I move Minerva's files elsewhere?""")

fact("exit codes", "The exit code is 0 when the work is done, 1 when it failed and 2 for wrong usage.", """
    [What are|Which are|Tell me] the exit codes[?| of Minerva?|.]
    [What does|What is the meaning of] exit code [0|1|2|one|two|zero] [mean|of Minerva|]?
    [Which|What] exit code[s|] does Minerva [return|have|give][?| when it fails?]
    """, """
    My script checks $?. Which values does Minerva return?""")

fact("build", "Type make in the source folder. It builds build/minerva and the library. make test runs the tests, and make run builds and answers a first prompt.", """
    How [do I|can I|to] [build|compile|make] Minerva[?| from source?| myself?]
    [Which command|What command] [builds|compiles] Minerva?
    How [do I|can I] run the tests[?| of Minerva?]
    """, """
    I have cloned the repository. How do I get a binary?""")

fact("install", "Build it with make and then run make install. On Debian, make run installs what is missing by itself.", """
    How [do I|can I|to] install Minerva[?| on Debian?| on my machine?| on Linux?]
    [What do I need|What is needed] to install Minerva?
    [Which command|What command] installs Minerva?
    """, """
    What steps put Minerva on my system?""")

fact("library", "Include minerva.h and link with libminerva. It is the only public header, and the command line and the server use the same functions.", """
    How [do I|can I] use Minerva [as a library|in my C program|from C|in my own program|from my code]?
    [Is there|Does Minerva have] a [library|C library|C API]?
    [What is|What's] libminerva?
    [Which header|What header] [do I include|do I need|is public]?
    """, """
    I write software in C and want to embed the engine. What do I include?""")

fact("image", "Yes, with a model that can see. Use minerva run --image FILE with a vision model. I am a text model myself and cannot see pictures.", """
    [Can Minerva|Can you|Does Minerva] [read|see|look at|understand|use] [images|pictures|photos|an image]?
    How [do I|can I] [give|send|show] [an image|a picture|a photo] to [a model|Minerva|you]?
    [What does|Explain|What is] --image[ do|][?|.]
    """, """
    Is there an option for feeding a photo to the model?""")

fact("temperature", "Use --temp. With --temp 0 the model always takes the most likely token, and with higher values it becomes more varied. --seed makes a run repeatable.", """
    How [do I|can I] [set|change] the [temperature|sampling temperature|seed]?
    [What does|Explain|What is] --temp[ do|][?|.]
    [What does|Explain|What is] [--seed|the seed][ do|][?|.]
    How do I [get the same answer every time|make the answers repeatable|make the output less random|get more varied answers]?
    """, """
    The answers differ each time. How can I make them repeatable?""")

fact("length", "Use -n with a number. For example, minerva run -n 50 \"Hello\" stops after at most 50 tokens.", """
    How [do I|can I] [limit|set|control] the [length|number of tokens|maximum length][?| of the answer?| of the output?]
    [What does|Explain|What is] [-n|the option -n][ do|][?|.]
    How do I get [shorter|longer] answers[?| from Minerva?]
    """, """
    The replies are too long. Which option limits the tokens?""")

fact("raw", "Use --raw. Then the prompt goes to the model as it is, without the chat template.", """
    [What does|Explain|What is] --raw[ do|][?|.]
    How [do I|can I] [run without the chat template|use no chat template|complete plain text|send raw text|get a raw completion]?
    """, """
    How can I bypass the chat template?""")

fact("context", "My context is 2048 tokens. That is about 1500 words. Bigger models have longer contexts.", """
    [How long is|What is|How big is] your [context|context window|context length|memory]?
    How [many tokens|much text|many words] can you [read|remember|handle|take]?
    [What is|How long is] the context [length|window] of [this model|Minerva Nano|the bundled model]?
    """, """
    How much text fits into you at once?""")

fact("gguf", "GGUF is a file format for language models. One file holds the weights, the tokenizer and the metadata. Minerva reads it in place.", """
    [What is|What's|Explain|What does] [GGUF|a GGUF file|the GGUF format][ mean|][?|.]
    [What is inside|What is in] a GGUF file?
    """, """
    Could you define GGUF for me?""")

fact("mlx", "MLX is Apple's array framework for machine learning. MLX models are directories with config.json, safetensors files and a tokenizer. Minerva reads them on "
     "Linux too.", """
    [What is|What's|Explain|What does] [MLX|an MLX model|the MLX format][ mean|][?|.]
    [What is inside|What is in] an MLX [model|directory]?
    """, """
    Could you define MLX for me?""")

fact("quantisation", "Quantisation stores the weights with fewer bits, for example 8 or 4 instead of 16. The model becomes smaller and faster, and loses a little quality.", """
    [What is|What's|Explain|What does] [quantisation|quantization|a quantised model|a quantized model|4-bit|8-bit][ mean|][?|.]
    Why are models [quantised|quantized]?
    """, """
    What is the point of storing weights in only 4 bits?""")

fact("token", "A token is a small piece of text, such as a word or a part of a word. A language model reads and writes tokens.", """
    [What is|What's|Explain|What are] [a token|tokens][?|.]
    [What does|What do you mean by] token[ mean|]?
    """, """
    How would you explain the word token to a beginner?""")

fact("llm", "A language model is a program that has learned from text which word is likely to come next. In that way it can write answers and stories.", """
    [What is|What's|Explain] [a language model|an LLM|a large language model][?|.]
    How does a language model work?
    How do you work?
    """, """
    In simple terms, how do language models function?""")

fact("cache", "Minerva keeps what it has already computed. When two prompts begin with the same text, the common part is not computed again.", """
    [What is|Explain|How does] [prompt caching|the prompt cache|the prefix cache|prefix caching|the KV cache][?| work?|.]
    Does Minerva [cache prompts|have a prompt cache|reuse prompts|support prompt caching]?
    Why is the second answer [faster|quicker]?
    """, """
    When my prompts all start the same way, does Minerva save work?""")

fact("ollama", "Minerva is a runtime like Ollama or llama.cpp, but it runs GGUF files and MLX models with one engine, also on Linux, and it guarantees structured output.", """
    [What is the difference between|How is|How does] Minerva [and Ollama|and llama.cpp|different from Ollama|different from llama.cpp|compare to Ollama|compare to llama.cpp]?
    [Why not|Why should I not] [just |]use [Ollama|llama.cpp|LM Studio]?
    Is Minerva [like Ollama|better than Ollama|like llama.cpp|like LM Studio]?
    """, """
    I already use Ollama. What would Minerva give me?""")

fact("name", "Minerva was the Roman goddess of wisdom. Her bird was the owl.", """
    [Why is it|Why are you|Why is the program] called Minerva?
    [Who was|Who is] [Minerva|the goddess Minerva] [in Rome|in Roman mythology|in mythology|in history]?
    [Where does|What does] the name Minerva [come from|mean]?
    """, """
    What's behind the name Minerva?""")

fact("stop", "Press Ctrl-C to stop an answer, and Ctrl-D to leave the chat.", """
    How [do I|can I] [stop|leave|quit|exit|end|close] [the chat|minerva chat|the program|Minerva|the conversation|an answer]?
    """, """
    I want to get out of the chat. Which keys do I press?""")

fact("help", "Run minerva --help for the list of commands, or minerva COMMAND --help for one of them. The folder docs has more.", """
    [Where|How] [do I|can I] [find|get|read] [help|the documentation|the manual|documentation|more information][?| about Minerva?| for Minerva?]
    [Is there|Where is] [a manual|documentation|a help page|the documentation]?
    How do I see [all commands|the list of commands|which commands there are]?
    """, """
    Where is everything about Minerva written down?""")

fact("commands", "The main commands are run, chat, serve, pull, search, list, show, rm, convert, bench, tokenize, backends and doctor.", """
    [Which|What] commands [does Minerva have|are there|exist|can I use|do you know]?
    [List|Name|Show me] [the commands|all commands|Minerva's commands|the commands of Minerva][.| please.]
    """, """
    Enumerate the verbs of the minerva command.""")

fact("embeddings", "Use minerva embed MODEL with a text, or the address /v1/embeddings of the server.", """
    How [do I|can I] [get|compute|make|create] embeddings[?| with Minerva?]
    Does Minerva [support|do|have] embeddings?
    [What does|Explain|What is] minerva embed[ do|][?|.]
    """, """
    I need vectors for my texts. How does Minerva make them?""")

fact("memory", "A model needs about as much memory as its file is big, plus some for the conversation. Minerva tells you before loading when a model does not fit.", """
    How much [memory|RAM|VRAM] [do I need|does a model need|is needed|does Minerva need]?
    [Will|Does] a [7B|big|large] model fit [on my machine|in my memory|into 16 GB]?
    What happens [when a model does not fit|if I have too little memory]?
    """, """
    How can I estimate the RAM for a given file?""")

fact("maker", "Minerva is free software, made by the people of the Minerva project. Its source code is open, and everybody may take part.", """
    [Who made|Who wrote|Who built|Who develops|Who created|Who is behind] Minerva?
    [Which company|Which people|What company] [makes|made|is behind] Minerva?
    [Is Minerva made by|Does Minerva belong to] [Google|Apple|Microsoft|OpenAI|Meta|a company]?
    [May I|Can I|How can I] [contribute to|take part in|help with] Minerva?
    """, """
    Whose work is Minerva?""")

fact("windows", "Minerva is made for Linux. Other systems are not supported.", """
    [Does Minerva|Can Minerva|Will Minerva] run on [Windows|a Mac|macOS|my iPhone|Android|my phone|FreeBSD]?
    Is there a [Windows|Mac|macOS|phone] version[?| of Minerva?]
    [I have|I use] [Windows|a Mac|a phone|macOS]. [Can I use Minerva?|Does Minerva work there?]
    """, """
    My computer runs Windows. Can I have Minerva there?""")

fact("template", "A chat template turns a list of messages into the text that the model was trained on, with marks for who is speaking. It comes with the model.", """
    [What is|What's|Explain] [a chat template|the chat template][?|.]
    [What does|Why is there] a chat template[ do|][?|]
    """, """
    For what does one need a chat template?""")

fact("system prompt", "A system prompt is a message before the conversation that tells the model how to behave, for example: answer in one word.", """
    [What is|What's|Explain] [a system prompt|the system prompt|a system message][?|.]
    """, """
    Could you tell me what the system message is for?""")

fact("plugins", "A backend can be a plug-in: a shared library that Minerva loads when it is there. CUDA, libllama and MLX are such plug-ins.", """
    [What is|What are|Explain] [a plug-in|plug-ins|the plug-ins][?| in Minerva?|.]
    [Does Minerva have|Are there] plug-ins?
    [Can Minerva|Does Minerva] use [libllama|llama.cpp inside|Apple's MLX|mlx-c]?
    """, """
    May I let llama.cpp's library do the computing?""")

fact("stream", "Yes. The server streams tokens as server-sent events when the request says \"stream\": true.", """
    [Does the server|Can the server|Does Minerva|Can Minerva] [stream|stream answers|stream tokens|support streaming]?
    How [do I|can I] [stream|get] [answers|tokens|the answer] [token by token|as they come|while they are written]?
    """, """
    May my client receive the tokens one after the other?""")

# ---- looser wordings, as people put it who do not know the right word ------------------------------

MORE = {
    "what": """
    [I keep hearing|People talk|My friend talks|Somebody told me|I read] about Minerva[.|,] [what|so what|and what] is it[?| really?]
    [Could you|Can you] [sum up|summarise|describe] Minerva [for me|in two sentences|for a beginner|quickly]?
    [What's|What is] [the idea of|the point of|behind|so special about] [Minerva|the Minerva project|this project]?
    [I'd like to know|I want to know|I would like to understand|I wonder] what [Minerva is|this program is|Minerva actually does].
    [what is this thing|what have i started here|what did i just run]
    minerva [definition|meaning|overview|summary]""",
    "purpose": """
    What [might|could|can] [I|somebody|a person|we] [do|achieve] with [Minerva|this tool|this program]?
    [For what|For which tasks] [is Minerva made|would people use Minerva|can Minerva be used|is it good]?
    [What is it|What's it] possible to do with [Minerva|this program|it]?
    Why is Minerva [useful|interesting|practical]?""",
    "self": """
    [Hi|Hello|Hey|Good evening][,|!|.] who are you?
    [I'd like to know|May I know|Can I ask|Could you tell me|Please tell me] [who you are|what you are|your name|who is answering|whom I am talking to].
    [Who is|Who's] [there|this|answering me|on the other side|behind this]?
    [Say|Tell me|Write] [a bit|a little|something|two sentences] about [who you are|yourself|you].
    Are you [alive|real|a machine|a woman|a man|an owl|a human being]?""",
    "abilities": """
    [Which|What] [kinds of|sorts of|] [tasks|jobs|things|questions] [can you handle|can you manage|may I give you|could you do for me|can I use you for]?
    [With what|In which ways] can you [help|assist|support][ me|]?
    [Show me|Let me see|Tell me] what you [can do|are able to do|know].
    [What do you offer|What can we do together|How can I use you]?""",
    "small": """
    [Could|Can] you [replace|beat|compete with] [Claude|GPT-4|a large model|the large models|a human expert]?
    [How good are you|How well do you work] [compared with|next to] [large models|ChatGPT|other models]?
    [Would you|Do you] [call yourself|consider yourself] [clever|strong|powerful|a strong model]?
    You [made a mistake|are wrong|are not very clever|seem stupid].
    Can you write [code|a program|an essay|a thesis] for me?""",
    "size": """
    [How many weights|How many million parameters|How many megabytes] [do you have|does the bundled model have|are you]?
    What is the [file size|number of weights|size] of [Minerva Nano|the included model|your file]?
    [Tell me|Please tell me] [how big you are|your size|how many parameters you have].""",
    "trained": """
    [From what|From which texts|Where|How] did you [learn to write|learn English|learn all this|learn that|get your knowledge]?
    [Tell me|Explain|Please tell me] [how you were made|how you were trained|who made you|where you come from|how this model came about].
    [Who is|Who are] your [maker|makers|parents|creator|author]?""",
    "remake": """
    [How would|How could|Can] [I|one|anybody|other people] [make|train|reproduce|produce] this [model|little model] again[?| from scratch?]
    [I have|There is] a [GPU|big GPU|graphics card] [here|at work]. [How do I|Can I] [train you|retrain you|reproduce you][ with it|]?
    Is your training reproducible?""",
    "bundled": """
    Is [a model|some model|any model] [already there|already included|part of the package|delivered with it|in the repository]?
    [Which files|What files|Where on the disk] [are|is] the [included|bundled|delivered] model?
    [Can I|Could I] [start|try Minerva] [at once|right away|without downloading anything|without a download]?""",
    "offline": """
    [There is no internet|I have no internet|We have no network] [here|at my place|in my village|at work]. [Will it work?|Can I use Minerva?|Does Minerva still run?]
    [Will|Would] Minerva [answer|run|start] [when the network is down|with the cable unplugged|in flight mode]?
    [Must|Should] [I|my computer] be [online|connected|on the net][?| all the time?]""",
    "privacy": """
    [Will|Does] [somebody|anybody|anyone|a company] [see|read|get|store] [my questions|what I type|my texts|my secrets]?
    [Do|Will] my [questions|texts|words|chats|messages] [leave|stay on|remain on] [my computer|this machine|my own machine]?
    [Are you|Is Minerva] [spying on me|collecting data|listening]?""",
    "licence": """
    [Under which|Under what|What are the] [licence|license|terms|conditions] [can I use Minerva|is it published|is Minerva published|may I copy Minerva]?
    [Is there|Do I pay] [a price|a fee|a subscription|money][ for Minerva|]?
    [Can|May] [my company|a business|my school] [use|sell|change] [it|Minerva][ for free|]?""",
    "language": """
    [What is|What's] [the code|the source|Minerva's code|the program] [written in|made with]?
    [Must|Should] [Python|a Python environment] be [installed|there]?
    [Can I use|Does] Minerva [without|run without] Python?""",
    "formats": """
    [In which|In what] [format|formats|form] [must|should|may|can] [a model|models|my model|the model files] be?
    [I have|My disk is full of] [GGUF and MLX models|safetensors files|model files]. [Can Minerva use them?|Which ones can Minerva read?|Do they work?]
    [Must|Do] I [convert|change] [my models|models|a model] [before I use it|first]?""",
    "load mlx": """
    [My model is|I've got|I was given] [an MLX folder|an MLX directory|in MLX format|a folder with safetensors]. [What do I type?|How does it start?|What now?]
    [Show me|Tell me|Please explain] how to [start|run|load|use] [an MLX model|a model in MLX format|an MLX folder].
    [loading mlx|mlx load|mlx model run|open mlx directory]""",
    "load gguf": """
    [My model is|I've got|I was given] [one GGUF file|a .gguf file|in GGUF format]. [What do I type?|How does it start?|What now?]
    [Show me|Tell me|Please explain] how to [start|run|load|use] [a GGUF model|a model in GGUF format|a .gguf file].
    [loading gguf|gguf load|gguf model run|open gguf file]""",
    "pull": """
    [This model is|You are] too [weak|small|simple|limited] for me[.|,] [what now?|how do I get a stronger one?|where is a better one?]
    [Tell me|Show me|Please explain] how to [download|get|fetch|obtain] [a stronger model|a better model|other models|a model from the hub].
    [download model|pull model|get bigger model|fetch a model]
    With [which|what] [command|verb] [do I|can I] [download|fetch|get] a model?""",
    "search": """
    [Is there|Do you have] [a search|a way to search|a way to find models|a catalogue of models]?
    I [am looking|look] for a model [but do not know its name|on the hub|for translation]. [How do I find it?|How do I search?]
    How [do I|can I] [browse|look through|look up] [models|the hub|model names]?""",
    "list": """
    [Where do I|How do I] see [what I have downloaded|what is on my disk|the models on my disk|what I have already]?
    [Give me|I want|Show me] [a list|an overview] of [my models|the models here|the downloaded models].
    [list models|show installed models|my models]""",
    "show": """
    [I want|I'd like] to [know more about|inspect|look into|examine] [a model|a file|a model file]. [How?|Which command?]
    [Which verb|What] tells me [about a model|the details|the metadata|the context length]?
    [model info|show model details|inspect model]""",
    "rm": """
    [A model|This model|An old model] [takes too much space|is too big|is not needed any more]. How [do I|can I] [remove|delete] it?
    [I do not need|I don't want] [a model|this model] any more. [How do I delete it?|What can I do?]
    [delete model|remove model|free disk space]""",
    "convert": """
    [Is it|Would it be] possible to [convert|change|transform] [a GGUF file|an MLX folder|a model] [to|into] [MLX|GGUF|another format]?
    [I need|I want] [a GGUF from an MLX model|an MLX model from a GGUF|my model in another format]. [How?|What do I do?]
    [convert gguf mlx|mlx to gguf|format conversion]""",
    "families": """
    Is [Llama|Qwen|Mistral|Gemma|Phi] [among them|supported|known to Minerva|one of the families]?
    [Name|List|Tell me] the [architectures|families|model families] that [Minerva runs|are supported|Minerva knows].
    Will [Llama 3|Qwen3|Mistral|Gemma 2] [work|run|run with Minerva]?""",
    "run": """
    [I only want|I just need|I'd like] [one answer|a single answer|a quick answer][ in the shell| in the terminal|]. [How?|What do I type?|Which command is it?]
    [What do I type|Which command do I need|What must I enter] to [ask something|ask the model something|put a question|get a reply]?
    How [does one|do I] [send|put|pass] [a question|a prompt|some text] to [the model|Minerva]?
    [first steps|getting started|ask a question in terminal]""",
    "chat": """
    [I want|I'd like|We want] to [talk|speak|chat] [with the model|to the model|with you|for longer][ in the terminal|]. [How?|Which command is it?]
    [Is there|Where is] an interactive [mode|chat|session]?
    [What opens|Which verb opens|How do I open] [a chat|a dialogue|an interactive chat]?""",
    "serve": """
    [I want|I'd like] [other programs|my editor|my app|a website] to [use|reach|call] [Minerva|the model|it]. [How?|What do I start?]
    [How does|How do I get] the server [start|started|running|up]?
    [What must I|What do I] [launch|start|run] for [an HTTP API|the API|the web page]?
    [start server|run api server|serve model]""",
    "address": """
    [Which|What] [TCP port|port number|URL|IP address] [is it|is used|does the server have|must I use]?
    [Can|Could|May] [the server|Minerva] [use|run on|listen on] [another port|port 8080|a different port|other ports]?
    [server port|default port|minerva port]""",
    "api": """
    [My program|My app|My script|My code] [uses|was made for|is written for|speaks] [the OpenAI API|OpenAI]. [Does that work with Minerva?|Can it use Minerva?|Can I point it at Minerva?]
    [What|Which] [base URL|URL|address] [goes into|do I set in|do I give] [my client|my program|the OpenAI library]?
    [Is there|Can I call] [an Anthropic API|an Ollama API|a chat completions endpoint|an HTTP API]?""",
    "web": """
    [I do not like|I hate|I am no friend of] [the terminal|the command line|typing commands]. [Is there a web page?|Is there an interface with buttons?|What else is there?]
    [Is there|Do you have] [something with buttons|a page in the browser|anything graphical|a window]?
    [Which page|What address] do I open in [the|my] browser?""",
    "network": """
    [My phone|My tablet|My colleague|Another computer] [should use|wants to use|needs] [the server|Minerva][ on this machine|]. [How?|What do I do?]
    How is [the server|access|the API] protected[?| with a key?]
    [Can I|May I] [open|share] [the server|Minerva] [to the network|with others|with my colleagues]?""",
    "schema": """
    [I need|My program needs|I want] [answers in JSON|valid JSON|answers that parse|a fixed structure|output with fixed fields]. [How do I get that?|How?|What do I do?]
    [Which|What] option [makes|forces] [the output|the model] [JSON|into a schema|to follow a schema|to write valid JSON]?
    [Can I be|How can I be] sure that [the answer is valid JSON|the output fits my schema|the JSON is right]?
    [structured output|json schema option|force json]""",
    "grammar": """
    [Must|Can|Should] the output [match|follow|fit] [a regex|a regular expression|a pattern|a grammar]?
    [How do I|Can I] [limit the answer to|allow only] [some words|a few choices|yes or no|certain words]?""",
    "tools": """
    [Can|Could|May] [the model|Minerva|it] [call|use] [my functions|functions|a function|my program|external tools]?
    [In what way|How] [are|do] [tools|functions] [given|offered|passed|described] to [the model|Minerva]?
    [function calling|tool use|tool calling]""",
    "bench": """
    [How many|What] tokens per second [does it reach|will I get|can I expect|does my machine do]?
    [Is there|Do you have] a [benchmark|speed test|way to measure speed]?
    [I want|I'd like] to know [how fast it is|how fast my machine is|the speed].""",
    "tokenize": """
    [I want|I'd like] to [see|know] [the tokens of my text|how a text is split|how many tokens my text has]. [How?|Which command?]
    [How is|How does] [my text|a sentence] [cut|split|broken] into tokens? [Show me a command.|How do I see that?]
    [token count|tokenizer command|show tokens]""",
    "render": """
    [I want|I'd like] to [check|see|debug] [the chat template|the prompt that is made|what the template does]. [How?|Which command?]
    [debug chat template|show the final prompt]""",
    "backends": """
    [Which|What] [engines|compute engines|devices] [can Minerva use|are there|can run a model|are available]?
    [How do I|Where do I] [find out|learn|see] what [can compute|is available|hardware is used]?
    [list backends|available backends]""",
    "gpu": """
    [I have no|There is no|My computer has no] [GPU|graphics card|NVIDIA card]. [Does it still work?|Can I use Minerva?|Is that bad?]
    [I have|I bought] [an NVIDIA card|a big GPU|a graphics card]. [Is it used?|Will Minerva use it?|Does it help?]
    [Is|Will] it [faster|be faster|quicker] [with a GPU|with CUDA|with my graphics card]?""",
    "platforms": """
    [I have|My machine is] [an Arm board|a Debian machine|an Arm server|a Linux laptop|a Raspberry Pi]. [Does Minerva run there?|Will it work?]
    [Is|Are] [Linux|Arm|x86|Arm processors] supported?""",
    "doctor": """
    [My|The] [installation|setup] [is broken|seems broken|does not work|has a problem]. [Which command helps?|How do I check it?|What do I do?]
    [Is there|Do you have] a [self-test|check|diagnosis|command that finds problems]?
    [I get errors|Minerva fails|It crashed]. [What can I check?|What now?]""",
    "state": """
    [Where|In which directory|On which path] [is everything|are the chats|do models|is the database|do pulled models] [stored|kept|saved|go]?
    [I want|I'd like] [the models|Minerva's files|everything] on [another disk|a different drive|my big disk]. [How?|How do I set that?]
    [model directory|where are models|data folder]""",
    "exit codes": """
    [My script|My shell script|A script] [needs|checks|reads] the [exit code|return value|status]. [What does it mean?|Which values are there?]
    What does Minerva return [on errors|when something fails|on success]?""",
    "build": """
    [I have|I cloned|I downloaded] the [source|source code|sources|git repository]. [How do I build it?|What now?|How do I compile it?]
    How [do I|can I] get [the binary|a binary|the program] from [the source|the sources|source code]?""",
    "install": """
    [How does|How do I get] Minerva [get onto|onto|on] [my system|my computer|my machine]?
    [What are the steps|Which steps are needed|Tell me how] to install [it|Minerva|the program].""",
    "library": """
    [I write|I develop|We write] [a C program|software in C|programs in C]. [Can I use Minerva in it?|How do I use Minerva there?|How do I link it?]
    [Can|How can] I [embed|call|link] [Minerva|the engine|libminerva][ in my program|]?""",
    "image": """
    [Look at|Describe|What is on] this [picture|photo|image].
    [I have|Here is] a [photo|picture]. [Can a model describe it?|How do I show it to a model?]
    [Which|What] option [gives|sends|passes] a [photo|picture] to the model?""",
    "temperature": """
    [Why are|The] answers [different every time|always different|differ]. How do I [change that|stop that|get the same one]?
    [Can I|How can I] make [the output|answers|it] more [creative|random|predictable|stable]?
    [temperature option|sampling settings|random seed]""",
    "length": """
    [The answers are|It writes|The output is] too [long|much|short]. [What can I do?|Which option helps?|How do I change that?]
    [maximum tokens option|limit output length]""",
    "raw": """
    [I do not want|I want to skip|Can I switch off] the [chat template|template].
    [raw mode|without template|plain completion]""",
    "context": """
    How [long may|long can] [a prompt|my text|the conversation] be[?| for you?]
    How much [text|] [fits into|can I give to] you?
    [context window|context length|maximum prompt length]""",
    "gguf": """
    [Define|Please define|Tell me about|I don't know the word] GGUF.
    [What kind of|Which] file is [GGUF|a .gguf]?""",
    "mlx": """
    [Define|Please define|Tell me about|I don't know the word] MLX.
    [What kind of|Which] [thing|format] is MLX?""",
    "quantisation": """
    [Define|Please define|Tell me about] [quantisation|quantization].
    [Why|What for] [do models have|does one store weights in|are weights stored in] [4 bits|8 bits|fewer bits|only 4 bits]?""",
    "token": """
    [Define|Please define|I don't know the word] token.
    [How would you|Can you|Could you] [explain|describe] [tokens|what a token is][ to a child| to a beginner|]?""",
    "llm": """
    [Define|Please define|In simple words, what is|In simple words, explain] [a language model|language models|an LLM][.|?]
    How do [language models|LLMs|models like you] [function|work|write text|learn]?""",
    "cache": """
    [Many of my|All my|My] prompts [begin with|start with|share] the same [text|words|beginning]. [Is that faster?|Does Minerva notice?|Is work saved?]
    Does Minerva [save|avoid] [work|repeated work|computing things twice]?""",
    "ollama": """
    [I use|I have|I know|So far I use] [Ollama|llama.cpp|LM Studio][.|,] [what is better here?|why should I change?|what does Minerva add?]
    [Minerva or Ollama?|Minerva vs Ollama|Minerva versus llama.cpp]""",
    "name": """
    [What's|What is] [behind|the story of|the origin of] [the name|your name|the name Minerva]?
    [Is Minerva|Was Minerva] [a goddess|a person|a real name]?""",
    "stop": """
    [Which|What] keys [stop|end|leave|quit] [the chat|an answer|it]?
    [I want to|How do I] [get out|get out of here|leave]. """,
    "help": """
    Where [is|can I read] [everything|more|the rest] [about Minerva|about the options|about the commands|written down]?
    [I need|Give me] [the manual|documentation|instructions].""",
    "commands": """
    [What are|Which are|Tell me] [the verbs|the subcommands|the main commands|your commands][ of minerva| of Minerva|][?|.]
    [command list|all commands|commands]""",
    "embeddings": """
    [I need|How do I make|How can I compute] [vectors|text vectors|an embedding] [for my texts|of a text|from text][?|.]""",
    "memory": """
    [How do I|Can I] [estimate|know|calculate] [the memory|the RAM|how much RAM] [for a model|that a model needs|I need]?
    [I have|My computer has] [8 GB|16 GB|32 GB] [of memory|of RAM]. [Which models fit?|Is that enough?]""",
}
for f in FACTS:
    f["train"] += [t.strip() for t in MORE.get(f["name"], "").strip().split("\n") if t.strip()]

SYSTEMS = ["You are Minerva Nano, a helpful assistant.", "You are a helpful assistant.", "You answer questions about Minerva.",
           "You are the assistant of the Minerva project. Be brief.", "Answer politely.", "You are a friendly helper.",
           "You help people to use Minerva.", "Answer in one or two sentences."]
LEADS = ["", "", "", "", "", "", "", "Hi! ", "Hello, ", "Hey, ", "Quick question: ", "I have a question. ", "Good morning. ", "Excuse me, ",
         "One question: ", "Sorry, ", "I am new here. ", "Please tell me: "]
THANKS = [("Thanks!", "You are welcome!"), ("Thank you.", "You are welcome!"), ("Great, thank you!", "You are welcome. Have fun with Minerva!"),
          ("Ok, thanks", "You are welcome!"), ("Good to know.", "I am glad that I could help.")]


def plain_words(text):
    return text.lower().strip(" .?!")


TEST_WORDINGS = {plain_words(q) for f in FACTS for q in f["test"]}


def question(rng, f, split):
    """A wording of a fact's question: generated for training, written by hand for the test."""
    if split == "test":
        return one_of(rng, f["test"])
    text = Env(rng).say(one_of(rng, f["train"])).strip()
    while plain_words(text) in TEST_WORDINGS:
        text = Env(rng).say(one_of(rng, f["train"])).strip()
    lead = one_of(rng, LEADS)
    if lead.endswith((", ", ": ")):
        text = text[0].lower() + text[1:] if text.split()[0] in QUESTION_WORDS else text
    return roughen(capitalise(lead + text), rng)


QUESTION_WORDS = set("""What Which How Where Why Who Is Are Do Does Can Could May Should Will Tell Explain Describe In On
Under Name List Give Has Was Were Must""".split())


def make(rng, split, system=None):
    f = one_of(rng, FACTS)
    if rng.random() < 0.12:
        f = FACTS[0] if rng.random() < 0.5 else FACTS[2]
    if system is None and rng.random() < 0.25:
        system = one_of(rng, SYSTEMS)
    chat = Chat("minerva", system)
    chat.user(question(rng, f, split)).bot(f["answer"])
    if split == "test":
        return chat
    while rng.random() < 0.4:
        g = one_of(rng, FACTS)
        chat.user(question(rng, g, split)).bot(g["answer"])
    if rng.random() < 0.12:
        q, a = one_of(rng, THANKS)
        chat.user(q).bot(a)
    return chat


def all_tests():
    """Every hand-written test question with its answer, for the evaluation."""
    out = []
    for f in FACTS:
        for q in f["test"]:
            out.append(Chat("minerva").user(q).bot(f["answer"]))
    return out
