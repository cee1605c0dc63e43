// LangChain's and Vercel's clients against a server of ours, unmodified.  Prints "ok NAME" for
// each thing that works; arguments: base URL, key.
import { ChatOpenAI } from "@langchain/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, streamText, tool, stepCountIs } from "ai";
import { z } from "zod";
import assert from "node:assert/strict";

const [baseURL, apiKey] = process.argv.slice(2);
const ok = (name) => console.log(`ok ${name}`);

const llm = new ChatOpenAI({ model: "minerva-nano", apiKey, temperature: 0, maxTokens: 100,
                             configuration: { baseURL } });
assert.match((await llm.invoke("Hello, who are you?")).content, /Minerva/);
let streamed = "";
for await (const chunk of await llm.stream("Hello, who are you?")) streamed += chunk.content;
assert.match(streamed, /Minerva/);
const called = await llm.bindTools([{ type: "function", function: { name: "get_weather",
    description: "Get the weather of a city", parameters: { type: "object", properties: { city: {
        type: "string", description: "The city" } }, required: ["city"] } } }])
    .invoke("What is the weather in Paris?");
assert.deepEqual(called.tool_calls[0].args, { city: "Paris" });
ok("langchain");

const provider = createOpenAICompatible({ name: "minerva", baseURL, apiKey });
const model = provider("minerva-nano");
const text = await generateText({ model, prompt: "Hello, who are you?", temperature: 0, maxOutputTokens: 100 });
assert.match(text.text, /Minerva/);
let live = "";
for await (const part of streamText({ model, prompt: "Hello, who are you?", temperature: 0,
                                      maxOutputTokens: 100 }).textStream) live += part;
assert.equal(live, text.text);
let asked = null;
const steps = await generateText({ model, prompt: "What is the weather in Paris?", temperature: 0,
    maxOutputTokens: 100, stopWhen: stepCountIs(2), tools: { get_weather: tool({
        description: "Get the weather of a city", inputSchema: z.object({ city: z.string() }),
        execute: async ({ city }) => { asked = city; return { weather: "rain" }; } }) } });
assert.equal(asked, "Paris");
assert.equal(steps.steps.length, 2);
ok("vercel");
