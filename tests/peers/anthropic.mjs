// The npm client of Anthropic against a server of ours, unmodified.  Prints "ok NAME" for each
// thing that works; arguments: base URL without /v1, key.
import Anthropic from "@anthropic-ai/sdk";
import assert from "node:assert/strict";

const [baseURL, apiKey] = process.argv.slice(2);
const client = new Anthropic({ baseURL, apiKey, maxRetries: 0 });
const model = "minerva-nano";
const messages = [{ role: "user", content: "Hello, who are you?" }];
const ok = (name) => console.log(`ok ${name}`);

const whole = await client.messages.create({ model, messages, max_tokens: 100, temperature: 0 });
assert.match(whole.content[0].text, /Minerva/);
assert.equal(whole.stop_reason, "end_turn");
ok("messages");

const stream = client.messages.stream({ model, messages, max_tokens: 100, temperature: 0 });
let text = "";
stream.on("text", (t) => { text += t; });
const final = await stream.finalMessage();
assert.equal(text, whole.content[0].text);
assert.deepEqual(final.content, whole.content);
assert.equal(final.usage.output_tokens, whole.usage.output_tokens);
ok("stream");

const cut = await client.messages.create({ model, messages, max_tokens: 100, temperature: 0,
    system: [{ type: "text", text: "You are a helpful assistant." }], stop_sequences: ["Minerva"] });
assert.equal(cut.stop_reason, "stop_sequence");
assert.equal(cut.stop_sequence, "Minerva");
ok("stop sequences");

const tools = [{ name: "get_weather", description: "Get the weather of a city", input_schema: { type: "object",
    properties: { city: { type: "string", description: "The city" } }, required: ["city"] } }];
const paris = [{ role: "user", content: "What is the weather in Paris?" }];
const called = await client.messages.create({ model, messages: paris, tools, max_tokens: 100, temperature: 0 });
const use = called.content.find((b) => b.type === "tool_use");
assert.equal(called.stop_reason, "tool_use");
assert.deepEqual(use.input, { city: "Paris" });
const streamed = await client.messages.stream({ model, messages: paris, tools, max_tokens: 100, temperature: 0 })
    .finalMessage();
assert.deepEqual(streamed.content.find((b) => b.type === "tool_use").input, { city: "Paris" });
const result = await client.messages.create({ model, tools, max_tokens: 60, temperature: 0, messages: [...paris,
    { role: "assistant", content: called.content },
    { role: "user", content: [{ type: "tool_result", tool_use_id: use.id, content: '{"weather": "rain"}' }] }] });
assert.equal(result.content[0].type, "text");
ok("tools");

const count = await client.messages.countTokens({ model, messages });
assert.equal(count.input_tokens, whole.usage.input_tokens + whole.usage.cache_read_input_tokens);
ok("count tokens");

await assert.rejects(client.messages.create({ model, messages, max_tokens: -1 }),
    (e) => e instanceof Anthropic.BadRequestError && e.error.error.type === "invalid_request_error");
await assert.rejects(client.messages.create({ model: "nobody", messages, max_tokens: 1 }),
    (e) => e instanceof Anthropic.NotFoundError);
ok("errors");
