// A conversation is a tree: every message knows the one before it; editing or regenerating adds a
// sibling.  What is shown is the path from the root to one leaf.

export interface ToolCall { id: string; name: string; arguments: string }
export interface Stats { prompt: number; cached: number; completion: number; first_s: number; total_s: number }
export interface Message {
    id: string;
    parent: string | null;
    role: "system" | "user" | "assistant" | "tool";
    content: string;
    reasoning?: string;
    tool_calls?: ToolCall[];
    files?: { name: string; text?: string; image?: string }[];
    model?: string;
    stats?: Stats;
    error?: string;
    stopped?: boolean;
    created: number;
}

export const newId = () => crypto.getRandomValues(new Uint32Array(4)).reduce((s, v) => s + v.toString(36).padStart(7, "0"), "");

/** The messages from the first to `leaf`. */
export function pathTo(messages: Map<string, Message>, leaf: string | null): Message[] {
    const path: Message[] = [];
    for (let at = leaf, steps = 0; at !== null && steps <= messages.size; steps++) {
        const message = messages.get(at);
        if (!message) break;
        path.push(message);
        at = message.parent;
    }
    return path.reverse();
}

export function siblings(messages: Map<string, Message>, message: Message): Message[] {
    return [...messages.values()].filter((m) => m.parent === message.parent && m.role === message.role)
        .sort((a, b) => a.created - b.created || (a.id < b.id ? -1 : 1));
}

/** The newest leaf below a message, itself if nothing follows. */
export function newestLeaf(messages: Map<string, Message>, from: string): string {
    const children = new Map<string, Message[]>();
    for (const m of messages.values())
        if (m.parent !== null) children.set(m.parent, [...(children.get(m.parent) ?? []), m]);
    for (let at = from; ;) {
        const next = children.get(at)?.sort((a, b) => b.created - a.created)[0];
        if (!next) return at;
        at = next.id;
    }
}
