// What the prefix cache and the scheduler are worth, measured through the server: starts it on
// a model, with a home of its own, and asks.  Prompts are random token ids, so that no text is
// read from the clock.
//
//     node bench/prefix.mjs build/minerva MODEL.gguf [--tokens 4000] [--only NAME,NAME] [-- serve options]
//
// Parts: prefix (cold, follow-up, exact repeat), interleaved (8 conversations at once), restart,
// streams (16 clients), arrival (a long prompt beside running streams).  One JSON object; times
// in seconds, to the last byte of an answer of one token.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";

const args = process.argv.slice(2);
const more = args.includes("--") ? args.splice(args.indexOf("--")).slice(1) : [];
const value = (name, fallback) => {
    const at = args.indexOf(name);
    return at < 0 ? fallback : args.splice(at, 2)[1];
};
const n_tokens = Number(value("--tokens", 4000));
const only = value("--only", "prefix,interleaved,restart,streams,arrival").split(",");
const [program, model] = args;
if (!model) {
    console.error("usage: node bench/prefix.mjs build/minerva MODEL.gguf [--tokens N] [--only NAMES]");
    process.exit(2);
}

const home = mkdtempSync(path.join(os.tmpdir(), "minerva-bench-"));
const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });
let server, port;
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const now = () => performance.now() / 1000;
const sorted = (list) => [...list].sort((a, b) => a - b);
const median = (list) => sorted(list)[list.length >> 1];
const quantile = (list, q) => sorted(list)[Math.min(list.length - 1, Math.floor(list.length * q))];

function start() {
    return new Promise((done, failed) => {
        const from = now();
        server = spawn(program, ["serve", model, "--port", "0", ...more],
                       { env: { ...process.env, MINERVA_HOME: home }, stdio: ["ignore", "ignore", "pipe"] });
        let text = "";
        server.stderr.on("data", (part) => {
            text += part;
            const found = text.match(/serving at http:\/\/[^\n]*:(\d+)\n/);
            if (found && !port) {
                port = Number(found[1]);
                done(now() - from);
            }
        });
        server.on("exit", (code) => { if (!port) failed(new Error(`the server ended with ${code}: ${text}`)); });
    });
}
function stop(signal = "SIGTERM") {
    return new Promise((done) => {
        const from = now();
        server.on("exit", () => { port = 0; done(now() - from); });
        server.kill(signal);
    });
}
function ask(route, body, on_data) {
    return new Promise((done, failed) => {
        const text = body && JSON.stringify(body);
        const request = http.request({ port, path: route, agent, method: body ? "POST" : "GET",
            headers: body ? { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(text) } : {} },
            (reply) => {
                let all = "";
                reply.on("data", (part) => { if (on_data) on_data(String(part)); else all += part; });
                reply.on("end", () => reply.statusCode === 200 ? done(all) : failed(new Error(all)));
            });
        request.on("error", failed);
        request.end(text);
    });
}

let state = 12345;
const ids = (count) => Array.from({ length: count }, () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return 1000 + ((state >>> 8) % 20000);
});
async function complete(prompt, max_tokens = 1) {
    const from = now();
    const reply = JSON.parse(await ask("/v1/completions", { prompt, max_tokens, temperature: 0, ignore_eos: true }));
    return { s: now() - from, cached: reply.usage.prompt_tokens_details.cached_tokens,
             generated: reply.usage.completion_tokens };
}
// Times at which tokens of a stream arrive.
async function stream(prompt, max_tokens, times) {
    let rest = "";
    await ask("/v1/completions", { prompt, max_tokens, temperature: 0, ignore_eos: true, stream: true, logprobs: 1 }, (part) => {
        rest += part;
        for (let at; (at = rest.indexOf("\n\n")) >= 0; rest = rest.slice(at + 2))
            if (rest.startsWith("data: {")) times.push(now());
    });
}
async function metric(name) {
    const text = await ask("/metrics");
    return Number(text.match(new RegExp(`^minerva_${name}\\{[^}]*\\} (\\d+)`, "m"))?.[1] ?? NaN);
}

const result = { model: path.basename(model), tokens: n_tokens, load: os.loadavg()[0] };
const base = ids(n_tokens);
result.start_s = await start();
await complete(ids(64), 4);
if (only.includes("prefix") || only.includes("restart")) {
    result.cold_s = (await complete(base)).s;
    const follow = [], repeat = [];
    for (let i = 0; i < 5; i++) {
        const turn = await complete([...base, ...ids(20)]);
        if (turn.cached < n_tokens - 1) throw new Error(`follow-up: ${turn.cached} tokens cached`);
        follow.push(turn.s);
        repeat.push((await complete(base)).s);
    }
    Object.assign(result, { follow_up_s: median(follow), repeat_s: median(repeat),
        follow_up_times: result.cold_s / median(follow), one_token_s: 0 });
    const one = [];
    for (let i = 0; i < 5; i++) one.push((await complete(base, 2)).s);
    result.one_token_s = median(one) - result.repeat_s;
}
if (only.includes("interleaved")) {
    const talks = Array.from({ length: 8 }, () => ids(n_tokens / 4));
    const cold = [], warm = [];
    let lost = 0;
    for (let round = 0; round < 4; round++)
        for (const talk of talks) {
            const turn = await complete(talk);
            (round ? warm : cold).push(turn.s);
            if (round && turn.cached < talk.length - 21) lost++;
            talk.push(...ids(20));
        }
    result.interleaved = { cold_s: median(cold), follow_up_s: median(warm), slowest_s: Math.max(...warm), lost };
}
if (only.includes("restart")) {
    for (let before = -1, bytes = 0; before !== bytes; bytes = await metric("cache_disk_written_bytes_total")) {
        before = bytes;
        await sleep(500);
    }
    result.stop_s = await stop();
    result.restart_s = await start();
    const turn = await complete([...base, ...ids(20)]);
    result.after_restart_s = turn.s;
    result.after_restart_cached = turn.cached;
    result.after_restart_times = result.cold_s / turn.s;
}
if (only.includes("streams")) {
    const from = now();
    const done = await Promise.all(Array.from({ length: 16 }, () => complete(ids(64), 64)));
    const s = now() - from, generated = done.reduce((sum, one) => sum + one.generated, 0);
    result.streams = { clients: 16, s, generated_per_s: generated / s, tokens_per_s: (generated + 16 * 64) / s };
}
if (only.includes("arrival")) {
    const times = [[], [], [], []];
    const running = times.map((list) => stream(ids(32), 400, list));
    while (times.some((list) => list.length < 40)) await sleep(20);
    const from = now();
    await complete(ids(n_tokens));
    const to = now();
    const gaps = (a, b) => times.flatMap((list) => list.slice(1).map((t, i) => [list[i], t - list[i]])
        .filter(([at]) => at >= a && at < b).map(([, gap]) => gap));
    const usual = gaps(0, from), during = gaps(from, Math.min(to, Math.min(...times.map((l) => l[l.length - 1]))));
    await Promise.all(running);
    result.arrival = { usual_s: median(usual), during_s: median(during), during_p95_s: quantile(during, 0.95),
        slowest_s: Math.max(...during), slowest_usual_s: Math.max(...usual), prompt_s: to - from, gaps: during.length,
        times_usual: median(during) / median(usual), p95_times_usual: quantile(during, 0.95) / median(usual) };
}
await stop();
rmSync(home, { recursive: true });
console.log(JSON.stringify(result, (key, v) => typeof v === "number" ? Number(v.toPrecision(4)) : v, 1));
process.exit(0);
