import { describe, expect, it } from "vitest";
import { expressionGates, showsExpression } from "../../src/faceswap/expression.js";
import { type Change, response } from "../../src/faceswap/responses.js";
import { EXPRESSIVE, SWAPS, TRAP } from "../report/runs.js";

const stack = (...data: number[]) => ({ data: Float32Array.from(data), length: 2 });
const change = (low: number[], high: number[]): Change => ({ low: stack(...low), high: stack(...high) });

describe("response", () => {
  const truth = change([0.1, 0.5, 0.2, 0.4], [0.3, 0.5, 0.1, 0.8]);

  it("is 1 where the swap changes as the truth does, whatever it looks like", () => {
    expect(response(change([0, 0, 0.5, 0], [0.2, 0, 0.4, 0.4]), truth)).toBeCloseTo(1, 6);
  });

  it("is 0 where nothing changes, or only what does not in truth", () => {
    expect(response(change([0.1, 0.1, 0.1, 0.1], [0.1, 0.1, 0.1, 0.1]), truth)).toBe(0);
    expect(response(change([0.1, 0.1, 0.1, 0.1], [0.1, 0.9, 0.1, 0.1]), truth)).toBe(0);
  });

  it("is the slope by least squares", () => {
    const half = change([0, 0, 0, 0], [0.1, 0, -0.05, 0.2]);
    expect(response(half, truth)).toBeCloseTo(0.5, 6);
    expect(response(change([0.1, 0, -0.05, 0.2], [0, 0, 0, 0]), truth)).toBeCloseTo(-0.5, 6);
  });
});

describe("expression", () => {
  const with_ = (some: Partial<typeof EXPRESSIVE>) => ({ ...EXPRESSIVE, ...some });

  it("is shown when the swap passes, eyes and mouth are near, and mouth, eyes and brows follow", () => {
    expect(showsExpression(EXPRESSIVE)).toBe(true);
    expect(expressionGates(EXPRESSIVE)?.map(({ name }) => name)).toEqual([
      ...["eyes", "mouth", "mouth response", "eye response", "brow response"],
    ]);
  });

  it.each([
    ["eyes", with_({ eyes: 0.66 })],
    ["mouth", with_({ mouth: 0.51 })],
    ["mouth response", with_({ responseMouth: 0.59 })],
    ["eye response", with_({ responseEye: 0.19 })],
    ["brow response", with_({ responseBrow: 0.39 })],
  ])("is not without %s", (name, measures) => {
    expect(showsExpression(measures)).toBe(false);
    expect(
      expressionGates(measures)
        ?.filter(({ passed }) => !passed)
        .map((gate) => gate.name),
    ).toEqual([name]);
  });

  it("is not when the face stays the source's, however well eyes and mouth follow", () => {
    const { responseMouth, responseEye, responseBrow } = EXPRESSIVE;
    expect(showsExpression({ ...TRAP, eyes: 0.5, mouth: 0.4, responseMouth, responseEye, responseBrow })).toBe(false);
  });

  it("takes values on the bounds, and is unknown where responses were not measured", () => {
    const bounds = with_({ eyes: 0.65, mouth: 0.5, responseMouth: 0.6, responseEye: 0.2, responseBrow: 0.4 });
    expect(showsExpression(bounds)).toBe(true);
    expect(showsExpression(SWAPS)).toBeUndefined();
  });
});
