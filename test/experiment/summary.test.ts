import { describe, expect, it } from "vitest";
import { csv, type Row } from "../../src/experiment/results.js";
import { armsOf, spreadOf, spreadText, statement } from "../../src/experiment/summary.js";

const row = (label: string, seed: number, reconstruction: number, t: number, passes: number, shows = 0): Row => ({
  ...{
    run: `${label}-s${seed}`,
    arm: label,
    label,
    seed,
    reconstruction,
    t_ratio: t,
    swap_ratio: 2 - t,
    passes,
    shows_expression: shows,
  },
});

describe("spreads", () => {
  it("are means and standard deviations over the seeds, of what is known", () => {
    const [{ rows }] = armsOf([row("a", 0, 1, 0.9, 1), row("a", 1, 2, Number.NaN, 1), row("a", 2, 6, 0.8, 1)]);
    expect(spreadOf(rows, "reconstruction")).toMatchObject({ mean: 3, deviation: Math.sqrt(7), least: 1, most: 6 });
    expect(spreadText(spreadOf(rows, "t_ratio"))).toBe("0.85 ± 0.07");
    expect(spreadText(spreadOf(rows.slice(0, 1), "t_ratio"))).toBe("0.90");
    expect(spreadText(spreadOf(rows, "nothing"))).toBe("–");
  });
});

describe("the statement", () => {
  const good = [0, 1, 2].map((seed) => row("3×3", seed, 0.02 + seed / 1000, 0.95, 1));

  it("says who passes, and what the trap is, with its figures", () => {
    const trap = [0, 1, 2].map((seed) => row("7×7", seed, 0.015 + seed / 1000, 0.3, 0));
    expect(statement([...good, ...trap])).toEqual([
      "The swap passes with 3×3.",
      "It fails with 7×7.",
      "7×7 is the trap: its reconstruction is better than 3×3's with every seed (0.0160 ± 0.0010 against 0.0210 ± 0.0010), " +
        "but its swap is worse than a constant picture (error 1.70 ± 0.00 of that one's) and reaches 0.30 ± 0.00 of its ceiling, not 0.95 ± 0.00.",
    ]);
  });

  it("says of several traps in one sentence from where to where their figures reach", () => {
    const traps = ["7×7", "5×5"].flatMap((arm, i) =>
      [0, 1, 2].map((seed) => row(arm, seed, 0.015 + i / 1000, 0.3 + i / 10, 0)),
    );
    expect(statement([...good, ...traps]).slice(2)).toEqual([
      expect.stringMatching(
        /^7×7 and 5×5 are the trap: the reconstruction is better than 3×3's with every seed \(0\.0150 to 0\.0160 against .*reaches 0\.30 to 0\.40 of its ceiling, not 0\.95 ± 0\.00\.$/,
      ),
    ]);
  });

  it("claims no trap where the reconstruction is worse, or the swap better than a constant picture, and says where seeds overlap", () => {
    const worse = [0, 1, 2].map((seed) => row("7×7", seed, 0.03, 0.3, 0));
    expect(statement([...good, ...worse])).toHaveLength(2);
    const near = [0, 1, 2].map((seed) => ({ ...row("7×7", seed, 0.01, 0.9, 0), swap_ratio: 0.8 }));
    expect(statement([...good, ...near])).toHaveLength(2);
    const close = [0, 1, 2].map((seed) => row("7×7", seed, 0.0195 + seed / 1000, 0.3, 0));
    expect(statement([...good, ...close])[2]).toContain("within the spread of the seeds");
  });

  it("sets pictures only against those of the same people, after as many faces", () => {
    const of = (cast: string, steps: number, rows: Row[]) => rows.map((each) => ({ ...each, cast, steps, batch: 2 }));
    const trap = [0, 1, 2].map((seed) => row("7×7", seed, 0.015, 0.3, 0));
    const long = [0, 1, 2].map((seed) => row("3×3 longer", seed, 0.017, 0.95, 1));
    const other = [...of("mild", 100, good), ...of("mild", 400, long)];
    expect(statement([...other, ...of("both", 100, trap)])).toHaveLength(2);
    expect(statement([...other, ...of("mild", 200, trap)])).toHaveLength(2);
    expect(statement([...other, ...of("mild", 400, trap)])[2]).toContain("better than 3×3 longer's");
  });

  it("counts seeds that do not agree, and warns of few", () => {
    const mixed = [row("a", 0, 0.02, 0.95, 1, 1), row("a", 1, 0.02, 0.9, 0)];
    expect(statement(mixed)).toEqual([
      "The swap passes with a (1 of 2 seeds).",
      "Expression is shown by a (1 of 2 seeds).",
      "Of every arm there are 2 seeds: a difference as large as between seeds proves nothing.",
    ]);
    expect(statement([row("b", 0, 0.02, 0.1, 0)])[0]).toBe("It fails with b: with every one of them.");
    expect(statement([])).toEqual(["Nothing has been measured yet."]);
  });
});

describe("csv", () => {
  it("has a head of all columns, quotes what it must, and leaves empty what is not known", () => {
    expect(
      csv([
        { a: "x, y", b: 1 / 3 },
        { a: 'say "z"', b: Number.NaN, c: 2 },
      ]),
    ).toBe('a,b,c\n"x, y",0.333333,\n"say ""z""",,2\n');
  });
});
