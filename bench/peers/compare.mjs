// Minerva beside llama.cpp on one GGUF file, in turn, so that both meet the same machine.
// Run where `node_modules` holds node-llama-cpp, after `make`:
//
//     node bench/peers/compare.mjs MODEL.gguf [-p N] [-n N] [-d N] [-b STREAMS] [-t N] [-k ROUNDS]
//
// Each round runs either engine once (a process of its own, one repetition after a warm-up).
// Prints tab-separated lines for bench/results/: model, test, ours, theirs, ratio of the
// medians, our share of the limit; then time to the first token and resident memory.
import { execFileSync, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import path from "node:path";

const here = path.dirname(fileURLToPath(import.meta.url));
const minerva = path.join(here, "../../build/minerva");
const args = process.argv.slice(2);
const model = args.shift();
const option = (name, fallback) => {
    const at = args.indexOf(name);
    return String(at < 0 ? fallback : Number(args[at + 1]));
};
const p = option("-p", 512), n = option("-n", 32), d = option("-d", 0), t = option("-t", 2);
const streams = option("-b", 1), rounds = Number(option("-k", 3));
const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
const run = (program, list) => execFileSync(program, list, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });

const ours = {}, theirs = {}, share = {};
const note = (table, key, value) => { if (value > 0) (table[key] ??= []).push(value); };
const suffix = d === "0" ? "" : `@d${d}`;
for (let i = 0; i < rounds; i++) {
    if (streams !== "1") {
        const mine = JSON.parse(run(minerva, ["bench", model, "-p", "0", "-n", n, "-d", d === "0" ? "64" : d,
            "--streams", streams, "-t", t, "-r", "1", "--json"]));
        note(ours, `tg x${streams}`, mine.rows[0].tokens_per_s);
        note(share, `tg x${streams}`, mine.rows[0].share);
        const other = JSON.parse(run("node", [path.join(here, "llama-decode.mjs"), model, "-b", streams,
            "-n", n, "-d", d === "0" ? "64" : d, "-t", t, "-r", "1"]));
        note(theirs, `tg x${streams}`, other.tg);
        continue;
    }
    const mine = JSON.parse(run(minerva, ["bench", model, "-p", p, "-n", n, "-d", d, "-t", t, "-r", "1", "--json"]));
    for (const row of mine.rows) {
        note(ours, row.test, row.tokens_per_s);
        note(share, row.test, row.share);
    }
    const other = JSON.parse(run("node", [path.join(here, "llama.mjs"), model, "-p", p, "-n", n, "-d", d,
        "-t", t, "-r", "1"]));
    note(theirs, `pp${p}${suffix}`, other.pp);
    note(theirs, `tg${n}${suffix}`, other.tg);
    note(theirs, "first token, s", other.first_token_s);
    note(theirs, "resident, MB", other.rss_bytes / 1e6);
    const from = performance.now();
    const one = spawnSync("/usr/bin/time", ["-f", "%M", minerva, "run", model, "one two three four five six seven eight nine",
        "--raw", "-n", "1", "-t", t, "-c", "1024"], { encoding: "utf8" });
    note(ours, "first token, s", (performance.now() - from) / 1000);
    note(ours, "resident, MB", Number(one.stderr?.trim().split("\n").pop()) * 1024 / 1e6);
}
const name = path.basename(model).replace(/\.gguf$/, "");
console.log("model\ttest\tminerva\tllama.cpp\tratio\tshare of the limit");
for (const test of Object.keys(ours)) {
    const a = median(ours[test]), b = theirs[test] ? median(theirs[test]) : NaN;
    const part = share[test] ? `${(100 * median(share[test])).toFixed(0)} %` : "";
    console.log([name, test, a.toPrecision(4), b.toPrecision(4), (a / b).toFixed(2), part].join("\t"));
}
