// llama.cpp decoding several streams at once, through the npm package node-llama-cpp: every
// step gives each sequence one random token, all in one batch.  Run where `node_modules`
// holds the package:
//
//     node bench/peers/llama-decode.mjs MODEL.gguf [-b STREAMS] [-n N] [-d N] [-t N] [-r N]
//
// Each stream begins with N (-d, 64) prompt tokens.  Prints one JSON object: {"engine":...,
// "streams":B, "tg":tok/s of all streams together}; median of the repetitions.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { existsSync } from "node:fs";
import path from "node:path";

const found = createRequire(path.join(process.cwd(), "x.js")).resolve.paths("node-llama-cpp")
    .map((folder) => path.join(folder, "node-llama-cpp", "dist", "index.js")).find(existsSync);
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
const streams = option("-b", 4), steps = option("-n", 32), depth = option("-d", 64);
const threads = option("-t", 2), repetitions = option("-r", 3);

const llama = await getLlama({ gpu: false, build: "never", logLevel: LlamaLogLevel.error });
const model = await llama.loadModel({ modelPath: model_path });
const context = await model.createContext({
    contextSize: depth + (repetitions + 1) * steps + 32, sequences: streams, batchSize: 512,
    threads: { ideal: threads, min: threads },
    batching: { dispatchSchedule: "nextCycle", itemPrioritizationStrategy: "maximumParallelism" },
});
let state = 12345;
const vocabulary = model.fileInfo.metadata.tokenizer.ggml.tokens.length;
const random_tokens = (count) => Array.from({ length: count }, () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return 3 + ((state >>> 8) % Math.min(vocabulary - 3, 30000));
});
const sequences = Array.from({ length: streams }, () => context.getSequence());
for (const s of sequences) await s.evaluateWithoutGeneratingNewTokens(random_tokens(depth));

const one = (s, token) =>
    s.controlledEvaluate([[token, { generateNext: { probabilities: false, confidence: false } }]]);
async function run() {
    const from = performance.now();
    for (let i = 0; i < steps; i++)
        await Promise.all(sequences.map((s) => one(s, random_tokens(1)[0])));
    return (performance.now() - from) / 1000;
}
await run();
const times = [];
for (let i = 0; i < repetitions; i++) times.push(await run());
times.sort((a, b) => a - b);
console.log(JSON.stringify({
    engine: "llama.cpp (node-llama-cpp)", threads, streams,
    tg: streams * steps / times[times.length >> 1],
}));
process.exit(0);
