// The models that the server knows, and what it says of itself.

import { get, text } from "./api";

export interface Model {
    id: string;
    state?: string;                     /* loaded, loading, unloaded ... */
    format?: string;
    quantisation?: string;
    size?: number;                      /* bytes */
    context?: number;
    fit?: string;
    backend?: string;
    recommended?: string;
    backends?: string[];
    vision?: boolean;
}

export const models = $state({ all: [] as Model[], error: "", loaded: false });

export async function refreshModels() {
    try {
        models.all = (await get<{ data: Model[] }>("/v1/models")).data;
        models.error = "";
    } catch (e) {
        models.error = (e as Error).message;
    }
    models.loaded = true;
}

export const bytes = (n: number) => {
    const units = ["B", "kB", "MB", "GB", "TB"];
    let i = 0;
    while (n >= 1000 && i < units.length - 1) { n /= 1000; i++; }
    return `${n < 10 && i ? n.toFixed(1) : Math.round(n)} ${units[i]}`;
};

/** Prometheus' text form: the sum of each metric over its labels. */
export async function metrics(): Promise<Map<string, number>> {
    const sums = new Map<string, number>();
    for (const line of (await text("/metrics")).split("\n")) {
        const m = /^([a-z_:][a-z0-9_:]*)(?:\{([^}]*)\})? ([-+0-9.eE]+|NaN|\+Inf)/i.exec(line);
        if (m && !m[2]?.includes("le=")) sums.set(m[1], (sums.get(m[1]) ?? 0) + Number(m[3]));
    }
    return sums;
}
