"""Twenty conversations, unedited and greedy, as the model card shows them.

    python3 samples.py --minerva ../../build/minerva --model ../minerva-nano.gguf
    python3 samples.py --model ../minerva-nano-mlx           (PyTorch, when there is no binary)

With --minerva, the user's lines (marked ">") go to `minerva chat` and what it prints comes
back as it is; otherwise the PyTorch network answers.
"""

import argparse
import subprocess

CONVERSATIONS = [
    ["Hello!", "Who are you?", "What can you do?"],
    ["What is Minerva?", "Does it need Python?", "How do I load an MLX model?"],
    ["Tell me a story about a fox who lost his hat.", "Where was the hat?", "Who helped the fox?"],
    ["What is 47 + 38?", "What is 9 times 7?", "Anna has 23 apples and gives away 8. How many apples are left?"],
    ["My name is Clara and I live in Lisbon.", "I have a dog called Pip.", "Where do I live?", "What is my dog called?", "What is my name?"],
    ["Extract name, age and city as JSON: Zelma Orrin is 34 years old and lives in Hamburg."],
    ["Answer in one word: What is the capital of Japan?", "Answer in one word: What is the opposite of early?"],
    ["How do I start the server?", "Which port does it use?", "Can I use the OpenAI client?"],
    ["Who was the mayor of Trondheim in 1731?", "What is the weather in Rome today?"],
    ["I am sad today.", "My cat has run away.", "Thank you."],
    ["Tell me a joke.", "Another one, please!"],
    ["Write a short poem about the sea."],
    ["Which is larger, 67 or 76?", "Is 41 even or odd?", "What comes next: 3, 6, 9, 12?"],
    ["Millbrook is a small village near York. 214 people live there. Every Tuesday there is a market. The mayor is Agnes.\\n\\nWhen is the market?", "Who is the mayor?", "What is the river called?"],
    ["Is this review positive or negative? The teapot broke after one day.", "Is a whale a fish? Yes or no?"],
    ["Name three fruits.", "Name four birds as a list."],
    ["How can I make sure that the answer is valid JSON?", "And how do I get a bigger model?"],
    ["Tell me a story about a robot who was afraid of the dark.", "What is the moral of the story?"],
    ["What is the plural of mouse?", "What is the past tense of swim?", "What sound does a cow make?"],
    ["Write a short email to Tom to say that I will be late.", "Goodbye!"],
]


def with_minerva(binary, model, turns):
    """What `minerva chat` prints for each line; the text of k lines begins that of k + 1."""
    lines, out, printed = [t.replace("\\n", " ") for t in turns], [], ""
    for k in range(len(lines)):
        done = subprocess.run([binary, "chat", model, "--temp", "0"], input="\n".join(lines[:k + 1]) + "\n", capture_output=True, text=True, check=True)
        assert done.stdout.startswith(printed)
        out.append("> " + lines[k] + "\n\n" + done.stdout[len(printed):].strip())
        printed = done.stdout
    return "\n\n".join(out)


def with_torch(model, tok, turns):
    import template
    from model import generate
    messages, out = [], []
    for t in turns:
        messages.append({"role": "user", "content": t.replace("\\n", "\n")})
        answer = tok.decode(generate(model, [tok.encode(template.prompt(messages))], 400)[0])
        messages.append({"role": "assistant", "content": answer})
        out.append("> " + messages[-2]["content"].replace("\n", "\n> ") + "\n\n" + answer)
    return "\n\n".join(out)


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--model", required=True)
    ap.add_argument("--minerva", help="the binary; without it PyTorch answers")
    args = ap.parse_args()
    if not args.minerva:
        from evaluate import load_model
        network, tok = load_model(args.model, "cpu")
    for i, turns in enumerate(CONVERSATIONS):
        body = with_minerva(args.minerva, args.model, turns) if args.minerva else with_torch(network, tok, turns)
        print("**%d**\n\n```\n%s\n```\n" % (i + 1, body))


if __name__ == "__main__":
    main()
