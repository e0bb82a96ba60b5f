import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const css = readFileSync(fileURLToPath(new URL("../../src/report/page/colours.css", import.meta.url)), "utf8");
const [light, dark] = css.split("@media");
const tokens = (text: string) =>
  Object.fromEntries([...text.matchAll(/--([a-z0-9-]+): (#[0-9a-f]{6});/g)].map(([, name, value]) => [name, value]));

/** WCAG 2.2's relative luminance, and contrast ratio. */
function luminance(colour: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const c = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function contrast(a: string, b: string): number {
  const [more, less] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (more + 0.05) / (less + 0.05);
}

const CURVES = [
  "measured",
  "ceiling",
  "constant",
  "gate",
  "src",
  "dst",
  ...Array.from({ length: 8 }, (_, i) => `run${i}`),
];
const TEXTS = [
  ...["text", "muted", "link", "pass", "fail"].flatMap((ink) => ["ground", "card"].map((ground) => [ink, ground])),
  ...[
    ["pass", "pass-ground"],
    ["fail", "fail-ground"],
    ["text", "mark"],
    ["text", "quiet-ground"],
  ],
];

describe.each([
  ["light", tokens(light)],
  ["dark", tokens(dark)],
])("%s", (_, colours) => {
  it.each(TEXTS)("%s can be read on %s", (ink, ground) => {
    expect(contrast(colours[ink], colours[ground])).toBeGreaterThanOrEqual(4.5);
  });

  it.each(CURVES)("the curve %s can be seen", (name) => {
    expect(contrast(colours[name], colours.card)).toBeGreaterThanOrEqual(3);
  });
});

it("the dark changes every colour of the light", () => {
  expect(Object.keys(tokens(dark))).toEqual(Object.keys(tokens(light)));
});
