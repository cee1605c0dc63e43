// llama.cpp decoding several streams at once, through the npm package node-llama-cpp: every
// step gives each sequence one random token, all in one batch.  Run where `node_modules`
// holds the package:
//
//     node bench/peers/llama-decode.mjs MODEL.gguf [-b STREAMS] [-n N] [-d N] [-t N] [-r N]
//
// Each stream begins with N (-d, 64) prompt tokens.  Prints one JSON object: {"engine":...,
// "streams":B, "tg":tok/s of all streams together}; median of the repetitions.
import { engine, load_model, median, option, random_source, seconds, step } from "./node_llama.mjs";

const streams = option("-b", 4), steps = option("-n", 32), depth = option("-d", 64);
const threads = option("-t", 2), repetitions = option("-r", 3);

const model = await load_model();
const context = await model.createContext({
    contextSize: depth + (repetitions + 1) * steps + 32, sequences: streams, batchSize: 512,
    threads: { ideal: threads, min: threads },
    batching: { dispatchSchedule: "nextCycle", itemPrioritizationStrategy: "maximumParallelism" },
});
const random_tokens = random_source(model);
const sequences = Array.from({ length: streams }, () => context.getSequence());
for (const s of sequences) await s.evaluateWithoutGeneratingNewTokens(random_tokens(depth));

async function run() {
    const from = seconds();
    for (let i = 0; i < steps; i++)
        await Promise.all(sequences.map((s) => step(s, random_tokens(1)[0])));
    return seconds() - from;
}
await run();
const times = [];
for (let i = 0; i < repetitions; i++) times.push(await run());
times.sort((a, b) => a - b);
console.log(JSON.stringify({
    engine, threads, streams,
    tg: streams * steps / times[times.length >> 1],
}));
process.exit(0);
