"""The chat template in Python, cut where the loss begins and ends.

chat_template.jinja is what the model ships with; this is the same function for training,
which must know which parts of the rendered text are the model's own answers.  check()
proves on any conversation that the two agree (export.py runs it on thousands).
"""

import json
import os

TEMPLATE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "chat_template.jinja")
TOOLS_HEAD = "You can call these functions:\n<tools>"
TOOLS_TAIL = ('\n</tools>\nTo call one, answer with:\n<tool_call>\n{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>')


def to_json(value):
    return json.dumps(value, ensure_ascii=False)


def call_text(call):
    f = call.get("function", call)
    args = f["arguments"] if isinstance(f["arguments"], str) else to_json(f["arguments"])
    return '<tool_call>\n{"name": "%s", "arguments": %s}\n</tool_call>' % (f["name"], args)


def segments(messages, tools=None):
    """[(text, is it the model's answer?)]; joined, they are the rendered conversation."""
    out = []
    first_system = messages[0]["content"] if messages[0]["role"] == "system" else None
    if tools:
        head = first_system + "\n\n" if first_system is not None else ""
        lines = "".join("\n" + to_json(t) for t in tools)
        out.append(("<|im_start|>system\n" + head + TOOLS_HEAD + lines + TOOLS_TAIL + "<|im_end|>\n", False))
    elif first_system is not None:
        out.append(("<|im_start|>system\n" + first_system + "<|im_end|>\n", False))
    for i, m in enumerate(messages):
        if m["role"] == "system" and i == 0:
            continue
        if m["role"] == "assistant":
            calls = [call_text(c) for c in m.get("tool_calls") or []]
            text = "\n".join(([m["content"]] if m["content"] else []) + calls)
            out += [("<|im_start|>assistant\n", False), (text + "<|im_end|>", True), ("\n", False)]
        elif m["role"] == "tool":
            begin = "<|im_start|>user" if messages[i - 1]["role"] != "tool" else ""
            end = "<|im_end|>\n" if i + 1 == len(messages) or messages[i + 1]["role"] != "tool" else ""
            out.append((begin + "\n<tool_response>\n" + m["content"] + "\n</tool_response>" + end, False))
        else:
            out.append(("<|im_start|>%s\n%s<|im_end|>\n" % (m["role"], m["content"]), False))
    return out


def prompt(messages, tools=None):
    return "".join(t for t, _ in segments(messages, tools)) + "<|im_start|>assistant\n"


def jinja():
    import jinja2

    env = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    env.filters["tojson"] = to_json
    with open(TEMPLATE) as f:
        return env.from_string(f.read())


def check(template, record):
    want = template.render(messages=record["messages"], tools=record.get("tools"), add_generation_prompt=True)
    got = prompt(record["messages"], record.get("tools"))
    if want != got:
        raise AssertionError("template.py and chat_template.jinja differ:\n%r\n%r" % (got, want))
