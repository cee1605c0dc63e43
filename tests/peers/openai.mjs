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

const weather = { name: "get_weather", description: "Get the weather of a city", parameters: {
    type: "object", properties: { city: { type: "string", description: "The city" } }, required: ["city"] } };
const paris = [{ role: "user", content: "What is the weather in Paris?" }];
const tools = [{ type: "function", function: weather }];
const called = await client.chat.completions.create({ model, messages: paris, tools, temperature: 0 });
const call = called.choices[0].message.tool_calls[0];
assert.equal(called.choices[0].finish_reason, "tool_calls");
assert.deepEqual(JSON.parse(call.function.arguments), { city: "Paris" });
const result = await client.chat.completions.create({ model, tools, temperature: 0, max_tokens: 60,
    messages: [...paris, called.choices[0].message,
               { role: "tool", tool_call_id: call.id, content: '{"weather": "rain"}' }] });
assert.ok(result.choices[0].message.content);
const toolStream = client.chat.completions.stream({ model, messages: paris, tools, temperature: 0 });
const streamedCall = (await toolStream.finalChatCompletion()).choices[0].message.tool_calls[0];
assert.equal(streamedCall.function.arguments, call.function.arguments);
const runner = client.chat.completions.runTools({ model, messages: paris, temperature: 0, max_tokens: 60,
    tools: [{ type: "function", function: { ...weather, parse: JSON.parse,
        function: ({ city }) => ({ weather: `rain in ${city}` }) } }] });
assert.ok(await runner.finalContent());
ok("tools");

const schema = { type: "object", properties: { answer: { enum: ["yes", "no"] }, n: { type: "integer", minimum: 1,
    maximum: 9 } }, required: ["answer", "n"], additionalProperties: false };
const parsed = await client.chat.completions.parse({ model, messages,
    response_format: { type: "json_schema", json_schema: { name: "answer", strict: true, schema } } });
const object = parsed.choices[0].message.parsed ?? JSON.parse(parsed.choices[0].message.content);
assert.ok(["yes", "no"].includes(object.answer) && object.n >= 1 && object.n <= 9);
ok("json_schema");

const first = await client.responses.create({ model, input: "Hello, who are you?", temperature: 0 });
assert.match(first.output_text, /Minerva/);
const second = await client.responses.create({ model, input: "What can you do?", temperature: 0,
    previous_response_id: first.id, max_output_tokens: 40 });
assert.ok(second.usage.input_tokens > first.usage.input_tokens);
assert.equal((await client.responses.retrieve(first.id)).output_text, first.output_text);
assert.equal((await client.responses.inputItems.list(first.id)).data.length, 1);
await client.responses.delete(first.id);
await assert.rejects(client.responses.retrieve(first.id), (e) => e instanceof OpenAI.NotFoundError);
const final = await client.responses.stream({ model, input: "Hello, who are you?", temperature: 0 }).finalResponse();
assert.equal(final.output_text, first.output_text);
const fn = [{ type: "function", strict: false, ...weather }];
const toolAnswer = await client.responses.stream({ model, input: paris, tools: fn, temperature: 0 }).finalResponse();
assert.equal(toolAnswer.output[0].type, "function_call");
const continued = await client.responses.create({ model, temperature: 0, max_output_tokens: 60, tools: fn,
    input: [...paris, ...toolAnswer.output, { type: "function_call_output", call_id: toolAnswer.output[0].call_id,
                                              output: '{"weather": "rain"}' }] });
assert.ok(continued.output_text);
const formatted = await client.responses.parse({ model, input: "Hello", text: { format: { type: "json_schema",
    name: "answer", strict: true, schema } } });
assert.ok(["yes", "no"].includes(JSON.parse(formatted.output_text).answer));
ok("responses");

const controller = new AbortController();
const long = await client.chat.completions.create({ model, messages, max_tokens: 1500, stream: true,
    ignore_eos: true }, { signal: controller.signal });
for await (const chunk of long) { if (chunk.choices[0]?.delta?.content) controller.abort(); }
ok("abort");
