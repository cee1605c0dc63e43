// The npm client of Ollama against a server of ours, unmodified.  Prints "ok NAME" for each
// thing that works; arguments: base URL without /v1, key.
import { Ollama } from "ollama";
import assert from "node:assert/strict";

const [host, apiKey] = process.argv.slice(2);
const client = new Ollama({ host, headers: { Authorization: `Bearer ${apiKey}` } });
const model = "minerva-nano:latest";
const messages = [{ role: "user", content: "Hello, who are you?" }];
const options = { temperature: 0, num_predict: 100, num_ctx: 4096 };
const ok = (name) => console.log(`ok ${name}`);

assert.equal((await client.list()).models[0].name, "minerva-nano");
const shown = await client.show({ model });
assert.ok(shown.capabilities.includes("tools"));
assert.equal((await client.ps()).models[0].name, "minerva-nano");
assert.ok((await client.version()).version);
ok("models");

const whole = await client.chat({ model, messages, options });
assert.match(whole.message.content, /Minerva/);
assert.equal(whole.done_reason, "stop");
let text = "", last = null;
for await (const part of await client.chat({ model, messages, options, stream: true })) {
    text += part.message.content;
    last = part;
}
assert.equal(text, whole.message.content);
assert.equal(last.eval_count, whole.eval_count);
ok("chat");

const generated = await client.generate({ model, prompt: "Hello, who are you?", options });
assert.equal(generated.response, whole.message.content);
const raw = await client.generate({ model, prompt: "Once upon a time", raw: true, options: { num_predict: 3 } });
assert.equal(raw.done_reason, "length");
ok("generate");

const tools = [{ type: "function", function: { name: "get_weather", description: "Get the weather of a city",
    parameters: { type: "object", properties: { city: { type: "string", description: "The city" } },
                  required: ["city"] } } }];
const paris = [{ role: "user", content: "What is the weather in Paris?" }];
const called = await client.chat({ model, messages: paris, tools, options });
assert.deepEqual(called.message.tool_calls[0].function.arguments, { city: "Paris" });
const result = await client.chat({ model, tools, options, messages: [...paris, called.message,
    { role: "tool", tool_name: "get_weather", content: '{"weather": "rain"}' }] });
assert.ok(result.message.content);
let streamedCall = null;
for await (const part of await client.chat({ model, messages: paris, tools, options, stream: true }))
    streamedCall = part.message.tool_calls?.[0] ?? streamedCall;
assert.equal(streamedCall.function.name, "get_weather");
ok("tools");

const format = { type: "object", properties: { answer: { enum: ["yes", "no"] } }, required: ["answer"],
                 additionalProperties: false };
const formatted = await client.chat({ model, messages, format, options });
assert.ok(["yes", "no"].includes(JSON.parse(formatted.message.content).answer));
ok("format");

const vectors = await client.embed({ model, input: ["a cat", "a dog"] });
assert.equal(vectors.embeddings.length, 2);
assert.equal((await client.embeddings({ model, prompt: "a cat" })).embedding.length, vectors.embeddings[0].length);
ok("embeddings");

await assert.rejects(client.chat({ model: "nobody", messages }), (e) => e.status_code === 404);
await assert.rejects(client.chat({ model, messages, options: { temperature: -1 } }), /temperature/);
await assert.rejects(client.pull({ model }), /model directory/);
ok("errors");
