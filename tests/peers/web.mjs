// A walk through the web page in a real browser: node web.mjs http://127.0.0.1:PORT
// Prints "ok STEP" for each step that went well; SHOTS=folder keeps pictures.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const url = process.argv[2];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
const context = await browser.newContext({ viewport: { width: 1200, height: 800 } });
const foreign = [], faults = [];
context.on("request", (r) => { if (!r.url().startsWith(url) && !/^(data|blob):/.test(r.url())) foreign.push(r.url()); });
const watch = (page) => {
    page.on("pageerror", (e) => faults.push(e.message));
    page.on("console", (m) => { if (m.type() === "error" && !/status of 4\d\d/.test(m.text())) faults.push(m.text()); });
};
const page = await context.newPage();
watch(page);
const shot = (name) => process.env.SHOTS ? page.screenshot({ path: `${process.env.SHOTS}/${name}.png` }) : undefined;
const expect = (what, good) => { if (!good) throw new Error(`expected: ${what}`); };
const step = async (name, work) => {
    try { await work(); console.log(`ok ${name}`); } catch (e) { console.log(`failed ${name}: ${e.message}`); await shot(`failed-${name}`); }
};
const ask = async (text) => {
    await page.fill("#ask", text);
    await page.keyboard.press("Enter");
    await page.waitForSelector(`.message.user:has-text(${JSON.stringify(text.slice(0, 40))})`);
};
const done = () => page.waitForSelector('button:has-text("Send")', { timeout: 60000 });
const answer = () => page.locator(".message.assistant .text").last().innerText();

await step("first_start", async () => {
    await page.goto(url);
    await page.waitForSelector("text=What would you like to know?");
    await page.waitForSelector('option:has-text("minerva-nano")', { state: "attached" });
    await shot("start");
});
await step("chat_streams", async () => {
    await ask("Tell me a story about a fox who lost his hat.");
    await page.waitForFunction(() => document.querySelector(".message.assistant .text")?.textContent.length > 20);
    await done();
    expect("a story of the fox", /fox/.test(await answer()));
    await page.waitForSelector(".figures:has-text('tokens/s')");
    await shot("chat");
});
await step("stop", async () => {
    await page.click('button:has-text("New chat")');
    await ask("Tell me a story about a robot who was afraid of the dark.");
    await page.waitForFunction(() => document.querySelector(".message.assistant .text")?.textContent.length > 5);
    await page.keyboard.press("Escape");
    await done();
    expect("something was kept", (await answer()).length > 0);
});
await step("edit_branches", async () => {
    await page.click('button:has-text("New chat")');
    await ask("What is 12 + 30?");
    await done();
    expect("42", /42/.test(await answer()));
    await page.click(".message.user >> button:has-text('Edit')");
    await page.fill("textarea[aria-label='Edit the message']", "What is 20 + 3?");
    await page.click(".edit >> button:has-text('Send')");
    await page.waitForFunction(() => /23/.test(document.querySelector(".message.assistant .text")?.textContent ?? ""));
    await done();
    await page.waitForSelector(".branches:has-text('2 / 2')");
    await page.click("button[aria-label='Earlier version']");
    await page.waitForFunction(() => /42/.test(document.querySelector(".message.assistant .text")?.textContent ?? ""));
});
await step("regenerate", async () => {
    await page.click("button:has-text('Regenerate')");
    await done();
    await page.waitForSelector(".message.assistant .branches:has-text('2 / 2')");
});
await step("schema", async () => {
    await page.click('button:has-text("New chat")');
    await page.click('button:has-text("Options")');
    await page.fill("#schema", '{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer"}},"required":["name","age"],"additionalProperties":false}');
    await page.locator("#schema").blur();
    await ask("Extract the name and age as JSON: Anna is 31 years old.");
    await done();
    const value = JSON.parse(await answer());
    expect("an object with name and age", typeof value.name === "string" && Number.isInteger(value.age));
    await page.click('button:has-text("Options")');
});
await step("search_finds", async () => {
    await page.fill("#search", "robot");
    await page.waitForFunction(() => document.querySelectorAll(".chats li").length === 1);
    await page.fill("#search", "");
    await page.waitForFunction(() => document.querySelectorAll(".chats li").length >= 4);
});
await step("kept_after_reload", async () => {
    const before = await answer();
    await page.reload();
    await page.waitForSelector(".message.assistant");
    expect("the same answer", (await answer()) === before);
});
await step("two_tabs", async () => {
    const other = await context.newPage();
    watch(other);
    await other.goto(page.url());
    await other.waitForSelector(".message.assistant");
    await other.fill("#ask", "What is 2 + 2?");
    await ask("What is 3 + 4?");
    await other.keyboard.press("Enter");
    await done();
    await other.waitForSelector('button:has-text("Send")', { timeout: 60000 });
    await page.reload();
    await page.waitForSelector(".message.assistant");
    await page.waitForSelector(".branches:has-text('/ 2')");
    await other.close();
});
await step("models_page", async () => {
    await page.click('a:has-text("Models")');
    await page.waitForSelector("td:has-text('minerva-nano')");
    await shot("models");
});
await step("server_page", async () => {
    await page.click('footer a:has-text("Server")');
    await page.waitForSelector(".plot polyline", { state: "attached" });
    await page.waitForTimeout(2500);
    await shot("server");
});
await step("accessible", async () => {
    const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
    for (const place of ["#/chat", "#/models", "#/server", "#/settings"]) {
        for (const scheme of ["light", "dark"]) {
            await page.emulateMedia({ colorScheme: scheme });
            await page.goto(`${url}/${place}`);
            await page.waitForTimeout(400);
            // The page's policy lets no script in; the browser's own evaluation may.
            const serious = await page.evaluate(`${axe}; axe.run(document).then((r) => r.violations.filter((v) => ["serious", "critical"].includes(v.impact)).map((v) => v.id + ": " + v.nodes.map((n) => n.target).join(" ")))`);
            expect(`no serious fault on ${place} (${scheme}), found ${serious}`, serious.length === 0);
        }
    }
});
await step("stays_on_origin", async () => {
    expect(`no foreign request, found ${foreign}`, foreign.length === 0);
    expect(`no fault on the console, found ${faults.join(" | ")}`, faults.length === 0);
});
await browser.close();
