/** Step times over work, both on logarithmic axes: what follows a grey line does the same GFLOP/s, whatever the size. */
export interface Curve {
  readonly name: string;
  readonly points: { value: number; flops: number; ms: number; spread: number; compile: number }[];
}

const WIDTH = 760;
const HEIGHT = 470;
const FRAME = { left: 70, right: 150, top: 40, bottom: 60 };
const TONES = ["#1b6ca8", "#b3541e", "#3a7d44"];
const MARKS = ["circle", "square", "diamond"] as const;

function mark(shape: (typeof MARKS)[number], x: number, y: number, tone: string): string {
  if (shape === "circle") return `<circle cx="${x}" cy="${y}" r="4.5" fill="${tone}"/>`;
  const turn = shape === "diamond" ? ` transform="rotate(45 ${x} ${y})"` : "";
  return `<rect x="${x - 4}" y="${y - 4}" width="8" height="8" fill="${tone}"${turn}/>`;
}

/** 1 → "1", .05 → "0.05", 2000 → "2000" */
const label = (value: number): string => String(Number(value.toPrecision(3)));

/** An SVG. @param about adapter and date, for the heading */
export function scalingChart(curves: readonly Curve[], about: string): string {
  const all = curves.flatMap(({ points }) => points);
  const [least, most] = [Math.min(...all.map((p) => p.flops)) / 1e9, Math.max(...all.map((p) => p.flops)) / 1e9];
  const [fast, slow] = [Math.min(...all.map((p) => p.ms)), Math.max(...all.map((p) => p.ms))];
  const scale = (low: number, high: number, from: number, to: number) => (value: number) =>
    Math.round((from + ((Math.log(value) - Math.log(low)) / (Math.log(high) - Math.log(low))) * (to - from)) * 10) / 10;
  const x = scale(least / 1.4, most * 1.4, FRAME.left, WIDTH - FRAME.right);
  const y = scale(fast / 1.6, slow * 1.6, HEIGHT - FRAME.bottom, FRAME.top);
  const ticks = (low: number, high: number) =>
    [-3, -2, -1, 0, 1, 2, 3, 4, 5]
      .flatMap((e) => [1, 2, 5].map((m) => m * 10 ** e))
      .filter((v) => v >= low && v <= high);
  const [x0, x1, y0, y1] = [FRAME.left, WIDTH - FRAME.right, HEIGHT - FRAME.bottom, FRAME.top];
  const across = ticks(least / 1.4, most * 1.4).map(
    (v) =>
      `<line x1="${x(v)}" x2="${x(v)}" y1="${y0}" y2="${y1}" stroke="#e6e6e6"/>` +
      `<text x="${x(v)}" y="${y0 + 18}" text-anchor="middle">${label(v)}</text>`,
  );
  const up = ticks(fast / 1.6, slow * 1.6).map(
    (v) =>
      `<line x1="${x0}" x2="${x1}" y1="${y(v)}" y2="${y(v)}" stroke="#e6e6e6"/>` +
      `<text x="${x0 - 8}" y="${y(v) + 4}" text-anchor="end">${label(v)}</text>`,
  );
  // Lines of equal speed, each cut to the frame.
  const speeds = ticks(0.1, 1e5).filter((speed) => {
    const middle = Math.sqrt(least * most);
    return (middle / speed) * 1e3 > fast / 1.6 && (middle / speed) * 1e3 < slow * 1.6;
  });
  const equal = speeds.flatMap((speed) => {
    const from = Math.max(least / 1.4, (fast / 1.6 / 1e3) * speed);
    const to = Math.min(most * 1.4, ((slow * 1.6) / 1e3) * speed);
    if (to <= from) return [];
    const end = `x="${x(to)}" y="${y((to / speed) * 1e3) - 4}"`;
    return [
      `<line x1="${x(from)}" y1="${y((from / speed) * 1e3)}" x2="${x(to)}" y2="${y((to / speed) * 1e3)}" stroke="#b5b5b5" stroke-dasharray="4 4"/>`,
      `<text ${end} text-anchor="end" fill="#777">${label(speed)} GFLOP/s</text>`,
    ];
  });
  const drawn = curves.map(({ name, points }, i) => {
    const tone = TONES[i % TONES.length];
    const shape = MARKS[i % MARKS.length];
    const line = points.map((p) => `${x(p.flops / 1e9)},${y(p.ms)}`).join(" ");
    const texts = points.map(
      (p) =>
        `<text x="${x(p.flops / 1e9) + 8}" y="${y(p.ms) + 14 + 11 * i}" fill="${tone}" font-size="10">${p.value}</text>`,
    );
    const legend = FRAME.top + 12 + 24 * i;
    return [
      `<polyline points="${line}" fill="none" stroke="${tone}" stroke-width="1.5"/>`,
      ...points.map((p) => mark(shape, x(p.flops / 1e9), y(p.ms), tone)),
      ...texts,
      mark(shape, x1 + 20, legend - 4, tone),
      `<text x="${x1 + 32}" y="${legend}" fill="${tone}">${name}</text>`,
    ].join("\n");
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" font-family="sans-serif" font-size="12">
<title>Time of a training step over its work, as batch, resolution and channels grow</title>
<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>
<text x="${x0}" y="22" font-size="13">A training step of the demo's network as one thing grows: ${about}</text>
${[...across, ...up, ...equal].join("\n")}
<rect x="${x0}" y="${y1}" width="${x1 - x0}" height="${y0 - y1}" fill="none" stroke="#555"/>
${drawn.join("\n")}
<text x="${(x0 + x1) / 2}" y="${HEIGHT - 16}" text-anchor="middle">GFLOP a step</text>
<text x="18" y="${(y0 + y1) / 2}" text-anchor="middle" transform="rotate(-90 18 ${(y0 + y1) / 2})">ms a step</text>
</svg>
`;
}
