// What this browser remembers: the key, the looks, and what new chats begin with.  Chats
// themselves live on the server.

export interface Sampling {
    temperature: number | null;         /* null: as the model's authors advise */
    top_p: number | null;
    top_k: number | null;
    min_p: number | null;
    repeat_penalty: number | null;
    seed: number | null;
    max_tokens: number | null;
}
export interface Preset { name: string; system: string; sampling: Sampling }

export const noSampling = (): Sampling => ({
    temperature: null, top_p: null, top_k: null, min_p: null, repeat_penalty: null, seed: null, max_tokens: null,
});

interface Kept {
    key: string;
    theme: "system" | "light" | "dark";
    model: string;
    system: string;
    sampling: Sampling;
    presets: Preset[];
    panel: boolean;
}

const PLACE = "minerva.settings";

function load(): Kept {
    const start: Kept = { key: "", theme: "system", model: "", system: "", sampling: noSampling(), presets: [], panel: false };
    try {
        const kept = JSON.parse(localStorage.getItem(PLACE) ?? "{}");
        return { ...start, ...kept, sampling: { ...start.sampling, ...kept.sampling } };
    } catch {
        return start;
    }
}

export const settings = $state(load());

export function keepSettings() {
    $effect(() => {
        localStorage.setItem(PLACE, JSON.stringify(settings));
        document.documentElement.dataset.theme = settings.theme;
    });
}
