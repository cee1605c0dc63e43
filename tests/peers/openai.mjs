// The npm client of OpenAI against a server of ours, unmodified.  Prints "ok NAME" for each
// thing that works; arguments: base URL, key.
import OpenAI from "openai";
import assert from "node:assert/strict";

const [baseURL, apiKey] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const model = "minerva-nano";
const messages = [{ role: "user", content: "Hello, who are you?" }];
const ok = (name) => console.log(`ok ${name}`);

const list = await client.models.list();
assert.equal(list.data[0].id, model);
assert.equal((await client.models.retrieve(model)).id, model);
ok("models");

const whole = await client.chat.completions.create({ model, messages, temperature: 0, max_tokens: 24 });
const text = whole.choices[0].message.content;
assert.match(text, /Minerva/);
assert.equal(whole.usage.total_tokens, whole.usage.prompt_tokens + whole.usage.completion_tokens);
ok("chat");

let streamed = "", usage = null;
for await (const chunk of await client.chat.completions.create({ model, messages, temperature: 0,
        max_tokens: 24, stream: true, stream_options: { include_usage: true } })) {
    streamed += chunk.choices[0]?.delta?.content ?? "";
    if (chunk.usage) usage = chunk.usage;
}
assert.equal(streamed, text);
assert.equal(usage.completion_tokens, whole.usage.completion_tokens);
ok("stream");

const helper = client.chat.completions.stream({ model, messages, temperature: 0, max_tokens: 24 });
assert.equal((await helper.finalChatCompletion()).choices[0].message.content, text);
ok("stream helper");

const probs = await client.chat.completions.create({ model, messages, temperature: 0, max_tokens: 4,
    logprobs: true, top_logprobs: 2 });
assert.equal(probs.choices[0].logprobs.content.length, 4);
ok("logprobs");

const plain = await client.completions.create({ model, prompt: "Once upon a time", max_tokens: 5 });
assert.equal(plain.object, "text_completion");
ok("completions");

const vectors = await client.embeddings.create({ model, input: ["a cat", "a dog"] });
assert.equal(vectors.data.length, 2);
const length = vectors.data[0].embedding.reduce((s, x) => s + x * x, 0);
assert.ok(Math.abs(length - 1) < 1e-4);
ok("embeddings");

await assert.rejects(client.chat.completions.create({ model, messages, temperature: 1e308 }),
    (e) => e instanceof OpenAI.BadRequestError && e.param === "temperature");
await assert.rejects(client.chat.completions.create({ model: "nobody", messages }),
    (e) => e instanceof OpenAI.NotFoundError);
await assert.rejects(new OpenAI({ baseURL, apiKey: "wrong-wrong", maxRetries: 0 }).models.list(),
    (e) => e instanceof OpenAI.AuthenticationError);
ok("errors");

const controller = new AbortController();
const long = await client.chat.completions.create({ model, messages, max_tokens: 1500, stream: true,
    ignore_eos: true }, { signal: controller.signal });
for await (const chunk of long) { if (chunk.choices[0]?.delta?.content) controller.abort(); }
ok("abort");
