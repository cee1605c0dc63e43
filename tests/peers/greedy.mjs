// Greedy continuation by llama.cpp: node greedy.mjs MODEL.gguf N < prompt
// Prints {"ids":[prompt ids...],"greedy":[...]}; the prompt is taken as plain text after BOS.
import { readFileSync } from "node:fs";
import { getLlama, LlamaLogLevel } from "node-llama-cpp";

const [model_path, count] = process.argv.slice(2);
const llama = await getLlama({ gpu: false, build: "never", logLevel: LlamaLogLevel.error });
const model = await llama.loadModel({ modelPath: model_path });
const context = await model.createContext({ contextSize: 512, threads: 2 });
const sequence = context.getSequence();
const prompt = readFileSync(0, "utf8");
const ids = model.tokenize(prompt);
if (model.tokens.shouldPrependBosToken && ids[0] !== model.tokens.bos) ids.unshift(model.tokens.bos);
const greedy = [];
for await (const token of sequence.evaluate(ids, { temperature: 0 })) {
    greedy.push(token);
    if (greedy.length >= Number(count)) break;
}
console.log(JSON.stringify({ ids, greedy }));
process.exit(0);
