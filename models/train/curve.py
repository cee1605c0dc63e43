"""The picture of a training run: log.json -> an SVG with the loss of both phases.

    python3 curve.py --log work/run/log.json --out ../loss.svg
"""

import argparse
import json

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 780, 360, 56, 172, 24, 44
TOP_LOSS = 5.0
LINES = [("training", "#8a8f98"), ("books", "#3b6ea8"), ("real", "#3f8f5f"), ("grammar", "#b8862b"), ("chat", "#b0413e")]
NAMES = {"training": "training loss", "books": "held-out books", "real": "held-out stories", "grammar": "held-out grammar stories", "chat": "held-out answers"}


def series(log):
    out = {name: [] for name, _ in LINES}
    for entry in log:
        out["training"].append((entry["step"], entry["loss"]))
        for k, v in entry.get("held", {}).items():
            out[k].append((entry["step"], v))
    return out


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--log", required=True)
    ap.add_argument("--out", required=True)
    args = ap.parse_args()
    with open(args.log) as f:
        run = json.load(f)
    log, steps = run["log"], run["steps"]
    tokens = run["batch"] * 2048 / 1e6

    def x(step):
        return LEFT + (WIDTH - LEFT - RIGHT) * step / steps

    def y(loss):
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - min(loss, TOP_LOSS) / TOP_LOSS)

    svg = ['<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">' % (WIDTH, HEIGHT, WIDTH, HEIGHT),
           '<rect width="100%" height="100%" fill="#ffffff"/>']
    for loss in range(int(TOP_LOSS) + 1):
        svg.append('<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#e3e5e8"/><text x="%d" y="%.1f" text-anchor="end" fill="#555">%d</text>'
                   % (LEFT, WIDTH - RIGHT, y(loss), y(loss), LEFT - 8, y(loss) + 4, loss))
    for i in range(0, int(steps * tokens) + 1, 100):
        svg.append('<text x="%.1f" y="%d" text-anchor="middle" fill="#555">%d M</text>' % (x(i / tokens), HEIGHT - BOTTOM + 18, i))
    second = next((e["step"] for e in log if e["phase"] == 2), steps)
    svg.append('<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="#999" stroke-dasharray="4 4"/>' % (x(second), x(second), TOP, HEIGHT - BOTTOM))
    svg.append('<text x="%.1f" y="%d" fill="#555">answers only</text>' % (x(second) + 6, TOP + 12))
    svg.append('<text x="%.1f" y="%d" text-anchor="middle" fill="#333">tokens seen</text>' % ((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8))
    svg.append('<text transform="translate(16 %.1f) rotate(-90)" text-anchor="middle" fill="#333">loss per token</text>' % ((TOP + HEIGHT - BOTTOM) / 2))
    labels = []
    for name, colour in LINES:
        points = series(log)[name]
        if points:
            svg.append('<polyline fill="none" stroke="%s" stroke-width="1.8" points="%s"/>' % (colour, " ".join("%.1f,%.1f" % (x(s), y(v)) for s, v in points)))
            labels.append([y(points[-1][1]), name, colour, points[-1][1]])
    labels.sort()
    for i, (at, name, colour, value) in enumerate(labels):
        if i and at - labels[i - 1][0] < 26:
            labels[i][0] = at = labels[i - 1][0] + 26
    shift = max(0, labels[-1][0] - (HEIGHT - BOTTOM)) if labels else 0
    for at, name, colour, value in labels:
        svg.append('<text x="%d" y="%.1f" fill="%s">%s<tspan x="%d" dy="12">%.2f</tspan></text>' % (WIDTH - RIGHT + 8, at - shift, colour, NAMES[name], WIDTH - RIGHT + 8, value))
    svg.append("</svg>")
    with open(args.out, "w") as f:
        f.write("\n".join(svg) + "\n")


if __name__ == "__main__":
    main()
