// Writes into dist/index.html what it was built from, in the words of `sha256sum`, so that a
// test without Node can tell whether the file is current (tests/test_web.sh).
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";

const sha256 = (data) => createHash("sha256").update(data).digest("hex");
const files = readdirSync("src", { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile()).map((entry) => `${entry.parentPath ?? entry.path}/${entry.name}`)
    .concat(["index.html", "package.json", "package-lock.json", "stamp.mjs", "svelte.config.js", "tsconfig.json", "vite.config.ts"])
    .sort();
const list = files.map((name) => `${sha256(readFileSync(name))}  ${name}\n`).join("");
const page = readFileSync("dist/index.html", "utf8").trimEnd();
writeFileSync("dist/index.html", `${page}\n<!-- sources ${sha256(list)} -->\n`);
