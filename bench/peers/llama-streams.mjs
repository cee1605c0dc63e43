// llama.cpp with many streams at once, through the npm package node-llama-cpp, whose context
// batches them: every stream reads a random prompt and generates greedily.  The counterpart of
// the part "streams" of bench/prefix.mjs.  Run where `node_modules` holds the package:
//
//     node bench/peers/llama-streams.mjs MODEL.gguf [-b N] [-p N] [-n N] [-t N] [-r N]
//
// -b 16 streams, -p 64 prompt tokens, -n 64 generated, -t 2 threads, -r 1 repetitions.  Prints
// one JSON object: {"engine", "streams", "s", "generated_per_s", "tokens_per_s"}, the median run.
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
const streams = option("-b", 16), prompt = option("-p", 64), generate = option("-n", 64);
const threads = option("-t", 2), repetitions = option("-r", 1);

const seconds = () => performance.now() / 1000;
const llama = await getLlama({ gpu: false, build: "never", logLevel: LlamaLogLevel.error });
const model = await llama.loadModel({ modelPath: model_path });
const context = await model.createContext({
    sequences: streams, contextSize: prompt + generate + 32, batchSize: 512,
    threads: { ideal: threads, min: threads },
});
let state = 12345;
const vocabulary = model.fileInfo.metadata.tokenizer.ggml.tokens.length;
const random_tokens = (count) => Array.from({ length: count }, () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return 1000 + ((state >>> 8) % Math.min(vocabulary - 1000, 20000));
});
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
console.log(JSON.stringify({ engine: "llama.cpp (node-llama-cpp)", streams, threads, s: run.s,
    generated_per_s: run.generated / run.s, tokens_per_s: (run.generated + streams * prompt) / run.s }));
process.exit(0);
