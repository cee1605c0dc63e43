// llama.cpp's speed on a GGUF file, by the definitions of llama-bench, through the npm package
// node-llama-cpp: random tokens, one warm-up, medians.  Run where `node_modules` holds the
// package:
//
//     node bench/peers/llama.mjs MODEL.gguf [-p N] [-n N] [-d N] [-t N] [-r N]
//
// Prints one JSON object: {"engine":..., "pp":tok/s, "tg":tok/s, "rss_bytes":N, "load_s":s,
// "first_token_s":s}.  load_s is from the call to the context being ready; first_token_s adds
// 16 prompt tokens and one generated.
import { engine, load_model, median, option, random_source, seconds, step } from "./node_llama.mjs";

const prompt = option("-p", 512), generate = option("-n", 128), depth = option("-d", 0);
const threads = option("-t", 2), repetitions = option("-r", 5);

const start = seconds();
const model = await load_model();
const context = await model.createContext({
    contextSize: depth + prompt + generate + 32, batchSize: 512, threads: { ideal: threads, min: threads },
});
const sequence = context.getSequence();
const load_s = seconds() - start;

const random_tokens = random_source(model);
async function read(tokens) { await sequence.evaluateWithoutGeneratingNewTokens(tokens); }
async function steps(count) { for (const token of random_tokens(count)) await step(sequence, token); }
async function timed(work) {
    await sequence.clearHistory();
    if (depth > 0) await read(random_tokens(depth));
    const from = seconds();
    await work();
    return seconds() - from;
}
await read(random_tokens(16));
await steps(1);
const first_token_s = seconds() - start;
const result = { engine, threads, load_s, first_token_s };
if (prompt > 0) {
    const tokens = random_tokens(prompt), times = [];
    for (let i = 0; i <= repetitions; i++) times.push(await timed(() => read(tokens)));
    result.pp = prompt / median(times.slice(1));
}
if (generate > 0) {
    const times = [];
    for (let i = 0; i <= repetitions; i++) times.push(await timed(() => steps(generate)));
    result.tg = generate / median(times.slice(1));
}
result.rss_bytes = process.memoryUsage().rss;
console.log(JSON.stringify(result));
process.exit(0);
