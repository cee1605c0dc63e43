// One file comes out: scripts and styles are put into index.html, and a policy that names them
// by hash, so that the page can run nothing else and reach nothing but its own server.
import { createHash } from "node:crypto";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig, type Plugin } from "vite";

const hash = (text: string) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

function oneFile(): Plugin {
    return {
        name: "one-file",
        enforce: "post",
        generateBundle(_options, bundle) {
            let script = "", style = "";
            for (const [name, part] of Object.entries(bundle)) {
                if (part.type === "chunk") script += part.code;
                else if (name.endsWith(".css")) style += part.source;
                else continue;
                delete bundle[name];
            }
            script = script.replaceAll("</script", "<\\/script").trim();
            style = style.trim();
            const policy = ["default-src 'none'", `script-src ${hash(script)}`, `style-src ${hash(style)}`,
                "connect-src 'self'", "img-src 'self' data: blob:", "base-uri 'none'", "form-action 'none'"].join("; ");
            const page = bundle["index.html"];
            if (page?.type !== "asset") throw new Error("no index.html among the results");
            page.source = String(page.source)
                .replace(/<script[^>]*src=[^>]*><\/script>\s*/g, "")
                .replace(/<link[^>]*rel="(stylesheet|modulepreload)"[^>]*>\s*/g, "")
                .replace('<meta charset="utf-8">', () => `<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="${policy}">`)
                .replace("</head>", () => `<style>${style}</style>\n</head>`)
                .replace("</body>", () => `<script type="module">${script}</script>\n</body>`);
        },
    };
}

export default defineConfig({
    plugins: [svelte(), oneFile()],
    build: { target: "es2022", assetsInlineLimit: 1e6, cssCodeSplit: false, modulePreload: false, rollupOptions: { output: { inlineDynamicImports: true } } },
    server: { proxy: Object.fromEntries(["/v1", "/api", "/health", "/metrics", "/tokenize"].map((path) => [path, "http://127.0.0.1:11434"])) },
});
