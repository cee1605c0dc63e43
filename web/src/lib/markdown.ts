// Markdown to safe HTML: marked reads it, highlight.js colours code, temml writes formulas as
// MathML, DOMPurify lets nothing through that could run or fetch.

import DOMPurify from "dompurify";
import hljs from "highlight.js/lib/core";
import bash from "highlight.js/lib/languages/bash";
import c from "highlight.js/lib/languages/c";
import cpp from "highlight.js/lib/languages/cpp";
import css from "highlight.js/lib/languages/css";
import diff from "highlight.js/lib/languages/diff";
import go from "highlight.js/lib/languages/go";
import java from "highlight.js/lib/languages/java";
import javascript from "highlight.js/lib/languages/javascript";
import json from "highlight.js/lib/languages/json";
import python from "highlight.js/lib/languages/python";
import rust from "highlight.js/lib/languages/rust";
import sql from "highlight.js/lib/languages/sql";
import typescript from "highlight.js/lib/languages/typescript";
import xml from "highlight.js/lib/languages/xml";
import yaml from "highlight.js/lib/languages/yaml";
import { Marked, type TokenizerAndRendererExtension } from "marked";
import temml from "temml";

for (const [name, language] of Object.entries({ bash, c, cpp, css, diff, go, java, javascript, json, python, rust, sql, typescript, xml, yaml }))
    hljs.registerLanguage(name, language);

const escape = (s: string) => s.replace(/[&<>"]/g, (ch) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[ch]!);

function formula(source: string, display: boolean): string {
    try {
        return temml.renderToString(source, { displayMode: display, throwOnError: true, trust: false });
    } catch {
        return `<code>${escape(source)}</code>`;
    }
}

const display: TokenizerAndRendererExtension = {
    name: "display", level: "block",
    start: (s) => s.search(/\$\$|\\\[/),
    tokenizer(s) {
        const m = /^\$\$([\s\S]+?)\$\$(?:\n|$)/.exec(s) ?? /^\\\[([\s\S]+?)\\\](?:\n|$)/.exec(s);
        return m ? { type: "display", raw: m[0], text: m[1].trim() } : undefined;
    },
    renderer: (token) => formula(token.text, true),
};
const inline: TokenizerAndRendererExtension = {
    name: "inline", level: "inline",
    start: (s) => s.search(/\$|\\\(/),
    tokenizer(s) {
        const m = /^\$(?!\s)((?:[^$\n\\]|\\.)+?)(?<!\s)\$(?!\d)/.exec(s) ?? /^\\\(([\s\S]+?)\\\)/.exec(s);
        return m ? { type: "inline", raw: m[0], text: m[1].trim() } : undefined;
    },
    renderer: (token) => formula(token.text, false),
};

const marked = new Marked({ gfm: true, breaks: false, extensions: [display, inline] });
marked.use({
    renderer: {
        code({ text, lang }) {
            const name = (lang ?? "").split(/\s/)[0].toLowerCase();
            const known = hljs.getLanguage(name) ? name : "";
            const body = known ? hljs.highlight(text, { language: known, ignoreIllegals: true }).value : escape(text);
            return `<figure class="code"><figcaption><span>${escape(name || "text")}</span><button type="button" data-copy>Copy</button></figcaption>`
                + `<pre tabindex="0"><code class="hljs">${body}</code></pre></figure>`;
        },
        table(token) {
            return `<div class="wide" tabindex="0">${this.constructor.prototype.table.call(this, token)}</div>`;
        },
        image: ({ text, href }) => `<a href="${escape(href)}">${escape(text || href)}</a>`,
    },
});

// A link opens elsewhere and tells nobody where it was found; images of other origins are not
// fetched: the renderer above makes links of them.
DOMPurify.addHook("afterSanitizeAttributes", (node) => {
    if (node.tagName !== "A") return;
    node.setAttribute("target", "_blank");
    node.setAttribute("rel", "noopener noreferrer nofollow");
});

export function render(source: string): string {
    return DOMPurify.sanitize(marked.parse(source, { async: false }), {
        FORBID_TAGS: ["style", "form", "input", "textarea", "select", "iframe", "video", "audio", "img", "svg"],
        FORBID_ATTR: ["style", "id", "name"], ADD_ATTR: ["target", "data-copy"], ADD_TAGS: ["semantics", "annotation"],
    });
}
