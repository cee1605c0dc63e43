// The server's API, from the page that it serves itself: same origin, an optional key.

import { settings } from "./settings.svelte";

export class ApiError extends Error {
    constructor(readonly status: number, message: string) { super(message); }
}

function headers(json: boolean): Record<string, string> {
    return { ...(json ? { "Content-Type": "application/json" } : {}), ...(settings.key ? { Authorization: `Bearer ${settings.key}` } : {}) };
}

async function checked(answer: Response): Promise<Response> {
    if (answer.ok) return answer;
    let message = `${answer.status} ${answer.statusText}`;
    try {
        const body = await answer.json();
        message = body.error?.message ?? message;
    } catch { /* not JSON: the status says it */ }
    throw new ApiError(answer.status, message);
}

export async function send(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
    return checked(await fetch(path, { method, headers: headers(body !== undefined), body: body === undefined ? undefined : JSON.stringify(body), signal }));
}

export const get = async <T>(path: string): Promise<T> => (await send("GET", path)).json();
export const post = async <T>(path: string, body: unknown): Promise<T> => (await send("POST", path, body)).json();
export const remove = async (path: string): Promise<void> => { await send("DELETE", path); };
export const text = async (path: string): Promise<string> => (await send("GET", path)).text();

/** The `data:` lines of an event stream, until [DONE] or the end. */
export async function* events(answer: Response): AsyncGenerator<string> {
    const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    try {
        for (;;) {
            const { done, value } = await reader.read();
            if (done) return;
            rest += value;
            let end: number;
            while ((end = rest.indexOf("\n")) >= 0) {
                const line = rest.slice(0, end).trimEnd();
                rest = rest.slice(end + 1);
                if (!line.startsWith("data:")) continue;
                const data = line.slice(5).trim();
                if (data === "[DONE]") return;
                yield data;
            }
        }
    } finally {
        reader.cancel().catch(() => {});
    }
}
