// llama.cpp's speed on a GGUF file, by the definitions of llama-bench, through the npm package
// node-llama-cpp: random tokens, one warm-up, medians.  Run where `node_modules` holds the
// package:
//
//     node bench/peers/llama.mjs MODEL.gguf [-p N] [-n N] [-d N] [-t N] [-r N]
//
// Prints one JSON object: {"engine":..., "pp":tok/s, "tg":tok/s, "rss_bytes":N, "load_s":s,
// "first_token_s":s}.  load_s is from the call to the context being ready; first_token_s adds
// 16 prompt tokens and one generated.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { readFileSync } from "node:fs";
import path from "node:path";

// The package is looked for from the working directory, not beside this file.
const found = createRequire(path.join(process.cwd(), "x.js")).resolve.paths("node-llama-cpp")
    .map((folder) => path.join(folder, "node-llama-cpp", "dist", "index.js"))
    .find((file) => { try { readFileSync(file); return true; } catch { return false; } });
if (!found) {
    console.error("node-llama-cpp is not installed here: npm i node-llama-cpp @node-llama-cpp/linux-x64");
    process.exit(2);
}
const { getLlama, LlamaLogLevel } = await import(pathToFileURL(found));

const args = process.argv.slice(2);
const model_path = args.shift();
const option = (name, fallback) => {
    const at = args.indexOf(name);
    return at < 0 ? fallback : Number(args[at + 1]);
};
const prompt = option("-p", 512), generate = option("-n", 128), depth = option("-d", 0);
const threads = option("-t", 2), repetitions = option("-r", 5);

const seconds = () => performance.now() / 1000;
const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
const start = seconds();
const llama = await getLlama({ gpu: false, build: "never", logLevel: LlamaLogLevel.error });
const model = await llama.loadModel({ modelPath: model_path });
const context = await model.createContext({
    contextSize: depth + prompt + generate + 32, batchSize: 512, threads: { ideal: threads, min: threads },
});
const sequence = context.getSequence();
const load_s = seconds() - start;

let state = 12345;
const vocabulary = model.fileInfo.metadata.tokenizer.ggml.tokens.length;
const random_tokens = (count) => Array.from({ length: count }, () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return 3 + ((state >>> 8) % Math.min(vocabulary - 3, 30000));
});
async function read(tokens) { await sequence.evaluateWithoutGeneratingNewTokens(tokens); }
// Tokens one by one, each given, so that no sampling is timed.
async function steps(count) {
    for (const token of random_tokens(count))
        await sequence.controlledEvaluate([[token, { generateNext: { probabilities: false, confidence: false } }]])
            .catch(() => read([token]));
}
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
const result = { engine: "llama.cpp (node-llama-cpp)", threads, load_s, first_token_s };
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
