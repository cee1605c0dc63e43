// What the programs here that run llama.cpp share: the npm package node-llama-cpp, looked for
// from the working directory and not beside this file; the model and numbers of the command
// line; random tokens.
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const found = createRequire(path.join(process.cwd(), "x.js")).resolve.paths("node-llama-cpp")
    .map((folder) => path.join(folder, "node-llama-cpp", "dist", "index.js")).find(existsSync);
if (!found) {
    console.error("node-llama-cpp is not installed here: npm i node-llama-cpp @node-llama-cpp/linux-x64");
    process.exit(2);
}
const { getLlama, LlamaLogLevel } = await import(pathToFileURL(found));

const args = process.argv.slice(2);
const model_path = args.shift();
export const engine = "llama.cpp (node-llama-cpp)";
export const option = (name, fallback) => {
    const at = args.indexOf(name);
    return at < 0 ? fallback : Number(args[at + 1]);
};
export const seconds = () => performance.now() / 1000;
export const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

export async function load_model() {
    const llama = await getLlama({ gpu: false, build: "never", logLevel: LlamaLogLevel.error });
    return llama.loadModel({ modelPath: model_path });
}

// A source of token ids, the same in every run; the first thousand, where special tokens lie,
// are left out.
export function random_source(model) {
    const range = Math.min(model.fileInfo.metadata.tokenizer.ggml.tokens.length - 1000, 20000);
    let state = 12345;
    return (count) => Array.from({ length: count }, () => {
        state = (Math.imul(state, 1103515245) + 12345) >>> 0;
        return 1000 + ((state >>> 8) % range);
    });
}

// One step with a given token: the network runs to its logits and nothing is sampled.
export const step = (sequence, token) =>
    sequence.controlledEvaluate([[token, { generateNext: { probabilities: false, confidence: false } }]]);
