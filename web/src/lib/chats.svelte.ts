// Conversations: kept on the server (/api/chats), shown and continued here.

import { ApiError, events, get, post, remove, send } from "./api";
import { noSampling, settings, type Sampling } from "./settings.svelte";
import { newId, newestLeaf, pathTo, type Message, type ToolCall } from "./tree";

export interface ChatOptions {
    model: string;
    system: string;
    sampling: Sampling;
    schema: string;                     /* JSON Schema as text; "": answers are free */
    tools: string;                      /* OpenAI's tools as text; "": none */
}
export interface Summary { id: string; title: string; updated: number; snippet?: string }
interface Stored { id: string; title: string; updated: number; options: Partial<ChatOptions>; leaf: string | null; messages: Message[] }

export const list = $state({ chats: [] as Summary[], query: "", error: "", loaded: false });

export async function refreshList() {
    try {
        const query = list.query.trim();
        const answer = await get<{ chats: Summary[] }>(`/api/chats${query ? `?q=${encodeURIComponent(query)}` : ""}`);
        list.chats = answer.chats;
        list.error = "";
    } catch (e) {
        list.error = (e as Error).message;
    }
    list.loaded = true;
}

const freshOptions = (): ChatOptions => ({
    model: settings.model, system: settings.system, sampling: { ...settings.sampling }, schema: "", tools: "",
});

export class Chat {
    id = $state<string | null>(null);   /* null: not kept yet */
    title = $state("");
    options = $state<ChatOptions>(freshOptions());
    messages = $state(new Map<string, Message>());
    leaf = $state<string | null>(null);
    busy = $state(false);
    error = $state("");
    live = $state<Message | null>(null); /* the answer in the making */
    started = $state(0);
    #abort: AbortController | null = null;

    path = $derived(pathTo(this.messages, this.leaf));

    static async open(id: string): Promise<Chat> {
        const stored = await get<Stored>(`/api/chats/${id}`);
        const chat = new Chat();
        chat.id = stored.id;
        chat.title = stored.title;
        chat.options = { ...freshOptions(), ...stored.options, sampling: { ...noSampling(), ...stored.options.sampling } };
        chat.messages = new Map(stored.messages.map((m) => [m.id, m]));
        chat.leaf = stored.leaf && chat.messages.has(stored.leaf) ? stored.leaf : stored.messages.at(-1)?.id ?? null;
        return chat;
    }

    async #keep(changed: Message[]) {
        const body = { title: this.title, options: this.options, leaf: this.leaf, messages: changed };
        try {
            if (this.id === null) {
                const made = await post<{ id: string }>("/api/chats", body);
                this.id = made.id;
                history.replaceState(null, "", `#/chat/${made.id}`);
            } else {
                await post(`/api/chats/${this.id}`, body);
            }
            this.error = "";
        } catch (e) {
            this.error = `This chat is not kept: ${(e as Error).message}`;
        }
        refreshList();
    }

    keepOptions() { if (this.id !== null) this.#keep([]); }

    rename(title: string) {
        this.title = title;
        this.#keep([]);
    }

    show(leaf: string) {
        this.leaf = newestLeaf(this.messages, leaf);
        if (this.id !== null) this.#keep([]);
    }

    #add(message: Message) {
        this.messages.set(message.id, message);
        this.messages = new Map(this.messages);
        this.leaf = message.id;
    }

    /** A user's message below `parent` (a sibling of others when it is edited), and its answer. */
    async ask(content: string, parent: string | null, files: Message["files"] = undefined) {
        if (this.busy) return;
        this.busy = true;
        if (!this.title) this.title = content.trim().split("\n")[0].slice(0, 60) || "New chat";
        const message: Message = { id: newId(), parent, role: "user", content, created: Date.now(), ...(files?.length ? { files } : {}) };
        this.#add(message);
        await this.#keep([message]);
        await this.#answer(message.id);
    }

    /** What a tool gave, and how the model goes on. */
    async giveResult(call: ToolCall, content: string, parent: string) {
        const message: Message = { id: newId(), parent, role: "tool", content, tool_calls: [call], created: Date.now() };
        this.#add(message);
        await this.#keep([message]);
        const asked = pathTo(this.messages, parent).findLast((m) => m.role === "assistant")?.tool_calls ?? [];
        const given = this.path.filter((m) => m.role === "tool").flatMap((m) => m.tool_calls ?? []);
        if (asked.every((c) => given.some((g) => g.id === c.id))) await this.answer(message.id);
    }

    stop() { this.#abort?.abort(); }

    #request(parent: string) {
        const messages: object[] = [];
        if (this.options.system.trim()) messages.push({ role: "system", content: this.options.system });
        for (const m of pathTo(this.messages, parent)) {
            if (m.role === "tool") {
                messages.push({ role: "tool", tool_call_id: m.tool_calls?.[0].id, content: m.content });
            } else if (m.role === "assistant") {
                messages.push({
                    role: "assistant", content: m.content,
                    ...(m.tool_calls?.length ? { tool_calls: m.tool_calls.map((c) => ({ id: c.id, type: "function", function: { name: c.name, arguments: c.arguments } })) } : {}),
                });
            } else {
                const texts = (m.files ?? []).filter((f) => f.text !== undefined).map((f) => `File ${f.name}:\n${f.text}`);
                const images = (m.files ?? []).filter((f) => f.image).map((f) => ({ type: "image_url", image_url: { url: f.image } }));
                const content = [...texts, m.content].join("\n\n");
                messages.push({ role: m.role, content: images.length ? [...images, { type: "text", text: content }] : content });
            }
        }
        const body: Record<string, unknown> = { messages, stream: true, stream_options: { include_usage: true } };
        if (this.options.model) body.model = this.options.model;
        for (const [name, value] of Object.entries(this.options.sampling)) if (value !== null && value !== undefined) body[name] = value;
        if (this.options.schema.trim())
            body.response_format = { type: "json_schema", json_schema: { name: "answer", strict: true, schema: JSON.parse(this.options.schema) } };
        if (this.options.tools.trim()) body.tools = JSON.parse(this.options.tools);
        return body;
    }

    /** An answer below `parent`; the one that is there already stays beside it. */
    async answer(parent: string) {
        if (this.busy) return;
        this.busy = true;
        await this.#answer(parent);
    }

    async #answer(parent: string) {
        this.#abort = new AbortController();
        this.started = performance.now();
        const message: Message = { id: newId(), parent, role: "assistant", content: "", model: this.options.model || undefined, created: Date.now() };
        this.live = message;
        this.leaf = parent;
        let first = 0, usage: { prompt_tokens?: number; completion_tokens?: number; prompt_tokens_details?: { cached_tokens?: number } } = {};
        let waiting = false;
        const publish = () => {
            if (waiting) return;
            waiting = true;
            requestAnimationFrame(() => { waiting = false; if (this.live) this.live = { ...message }; });
        };
        try {
            const answer = await send("POST", "/v1/chat/completions", this.#request(parent), this.#abort.signal);
            let finished = false;
            for await (const data of events(answer)) {
                const piece = JSON.parse(data);
                if (piece.error) throw new ApiError(500, piece.error.message);
                if (piece.usage) usage = piece.usage;
                if (piece.model) message.model = piece.model;
                const choice = piece.choices?.[0];
                if (!choice) continue;
                const delta = choice.delta ?? {};
                if (!first && (delta.content || delta.reasoning_content || delta.tool_calls)) first = performance.now();
                if (delta.content) message.content += delta.content;
                if (delta.reasoning_content) message.reasoning = (message.reasoning ?? "") + delta.reasoning_content;
                for (const part of delta.tool_calls ?? []) {
                    const calls = (message.tool_calls ??= []);
                    const call = (calls[part.index] ??= { id: "", name: "", arguments: "" });
                    if (part.id) call.id = part.id;
                    if (part.function?.name) call.name += part.function.name;
                    if (part.function?.arguments) call.arguments += part.function.arguments;
                }
                if (choice.finish_reason) finished = true;
                publish();
            }
            if (!finished) message.error = "The answer was cut: the server went away.";
        } catch (e) {
            if (this.#abort.signal.aborted) message.stopped = true;
            else message.error = (e as Error).message;
        }
        const end = performance.now();
        message.stats = {
            prompt: usage.prompt_tokens ?? 0, cached: usage.prompt_tokens_details?.cached_tokens ?? 0, completion: usage.completion_tokens ?? 0,
            first_s: ((first || end) - this.started) / 1000, total_s: (end - this.started) / 1000,
        };
        this.live = null;
        this.busy = false;
        this.#add(message);
        await this.#keep([message]);
    }
}

export async function forget(id: string) {
    await remove(`/api/chats/${id}`);
    await refreshList();
}
