// llama.cpp with many streams at once, through the npm package node-llama-cpp, whose context
// batches them: every stream reads a random prompt and generates greedily.  The counterpart of
// the part "streams" of bench/prefix.mjs.  Run where `node_modules` holds the package:
//
//     node bench/peers/llama-streams.mjs MODEL.gguf [-b N] [-p N] [-n N] [-t N] [-r N]
//
// -b 16 streams, -p 64 prompt tokens, -n 64 generated, -t 2 threads, -r 1 repetitions.  Prints
// one JSON object: {"engine", "streams", "s", "generated_per_s", "tokens_per_s"}, the median run.
import { engine, load_model, option, random_source, seconds } from "./node_llama.mjs";

const streams = option("-b", 16), prompt = option("-p", 64), generate = option("-n", 64);
const threads = option("-t", 2), repetitions = option("-r", 1);

const model = await load_model();
const context = await model.createContext({
    sequences: streams, contextSize: prompt + generate + 32, batchSize: 512,
    threads: { ideal: threads, min: threads },
});
const random_tokens = random_source(model);
async function answer(sequence, count) {
    let n = 0;
    for await (const token of sequence.evaluate(random_tokens(prompt), { temperature: 0, yieldEogToken: true }))
        if (++n >= count || token === undefined) break;
    return n;
}
const sequences = Array.from({ length: streams }, () => context.getSequence());
await answer(sequences[0], 4);
const runs = [];
for (let i = 0; i < repetitions; i++) {
    for (const sequence of sequences) await sequence.clearHistory();
    const from = seconds();
    const counts = await Promise.all(sequences.map((sequence) => answer(sequence, generate)));
    runs.push({ s: seconds() - from, generated: counts.reduce((a, b) => a + b, 0) });
}
const run = runs.sort((a, b) => a.s - b.s)[runs.length >> 1];
console.log(JSON.stringify({ engine, streams, threads, s: run.s,
    generated_per_s: run.generated / run.s, tokens_per_s: (run.generated + streams * prompt) / run.s }));
process.exit(0);
