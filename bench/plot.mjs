// Bars of bench/results/NAME.tsv as SVG: for each test the ratio to the peer.
//
//     node bench/plot.mjs bench/results/NAME.tsv docs/performance.svg
import { readFileSync, writeFileSync } from "node:fs";

const [source, target] = process.argv.slice(2);
const rows = readFileSync(source, "utf8").split("\n").filter((line) => line && !line.startsWith("#"))
    .map((line) => line.split("\t")).filter((cells) => cells[0] !== "model" && Number(cells[4]) > 0
        && /^(pp|tg)/.test(cells[1]));
const height = 22, left = 190, width = 420, top = 40, most = Math.max(...rows.map((cells) => Number(cells[4])), 2);
const x = (ratio) => left + ratio / most * width;
const bars = rows.map((cells, i) => {
    const y = top + i * height, ratio = Number(cells[4]);
    const colour = cells[1].startsWith("pp") ? "#4878a8" : "#c07840";
    return `<text x="${left - 8}" y="${y + 15}" text-anchor="end">${cells[0]} ${cells[1]}</text>`
        + `<rect x="${left}" y="${y + 3}" width="${(x(ratio) - left).toFixed(1)}" height="${height - 6}" fill="${colour}"/>`
        + `<text x="${(x(ratio) + 6).toFixed(1)}" y="${y + 15}">${ratio.toFixed(2)}</text>`;
});
const end = top + rows.length * height;
writeFileSync(target, `<svg xmlns="http://www.w3.org/2000/svg" width="${left + width + 60}" height="${end + 12}" `
    + `font-family="sans-serif" font-size="12">\n<rect width="100%" height="100%" fill="white"/>\n`
    + `<text x="${left}" y="20" font-size="14">tokens/s, relative to llama.cpp on the same file</text>\n`
    + `${bars.join("\n")}\n<line x1="${x(1)}" x2="${x(1)}" y1="${top - 6}" y2="${end}" stroke="black" stroke-dasharray="4 3"/>\n</svg>\n`);
