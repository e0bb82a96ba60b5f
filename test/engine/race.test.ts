import { describe, expect, it } from "vitest";
import type { Launches } from "../../src/engine/launch.js";
import { type Entrant, race, untimed, winner } from "../../src/engine/race.js";
import type { Timed } from "../../src/engine/stopwatch.js";

/** Entrants that take these milliseconds, and a stopwatch that reads them, slowed by `noise(round, which)`. */
function setUp(times: Record<string, number>, noise: (round: number, name: string) => number = () => 1) {
  const entrants = Object.entries(times).map(
    ([name, ms]): Entrant => ({ name, launches: {} as Launches, ...untimed(ms) }),
  );
  const read: Record<string, number> = {};
  const order: string[] = [];
  let round = 0;
  const time = async (all: readonly Timed[]) => {
    round++;
    return (all as Entrant[]).map(({ name }) => {
      read[name] = (read[name] ?? 0) + 1;
      order.push(name);
      return times[name] * noise(round, name);
    });
  };
  return { entrants, read, order, run: () => race({ time }, entrants) };
}

describe("a race", () => {
  it("is short where readings agree, and another one begins each round", async () => {
    const { entrants, read, order, run } = setUp({ a: 1, b: 0.7 });
    await run();
    expect(read).toEqual({ a: 4, b: 4 });
    expect(order).toEqual(["b", "a", "a", "b", "b", "a", "a", "b"]);
    expect(entrants.map(({ fastest }) => fastest)).toEqual([1, 0.7]);
  });

  it("goes on while one's readings are disturbed, and ends with its undisturbed time", async () => {
    // As on two cores of which another process takes one: every reading but two is double.
    const { entrants, read, run } = setUp({ a: 1, b: 0.7 }, (round, name) =>
      name === "b" && round !== 3 && round !== 9 ? 2 : 1,
    );
    await run();
    expect(entrants.map(({ fastest }) => fastest)).toEqual([1, 0.7]);
    expect(read).toEqual({ a: 9, b: 9 });
  });

  it("is no shorter on a busy machine", async () => {
    // All readings but one of each are twenty times too long.
    const { entrants, run } = setUp({ a: 3, b: 2.4 }, (round, name) => (round === (name === "a" ? 2 : 3) ? 1 : 20));
    await run();
    expect(entrants.map(({ fastest }) => fastest)).toEqual([3, 2.4]);
  });

  it("ends in any case", async () => {
    let more = 1;
    const { read, run } = setUp({ a: 1, b: 0.7 }, () => 1 + 1 / more++);
    await run();
    expect(read.a).toBeLessThanOrEqual(12);
  });

  it("drops who is hopeless, and is over when one is left", async () => {
    const three = setUp({ a: 3, b: 1, c: 1.1 });
    await three.run();
    expect(three.read).toEqual({ a: 3, b: 4, c: 4 });
    const two = setUp({ a: 1, b: 20 });
    await two.run();
    expect(two.read).toEqual({ a: 3, b: 3 });
  });

  it("of slow kernels takes two rounds", async () => {
    const { read, run } = setUp({ a: 400, b: 300 });
    await run();
    expect(read).toEqual({ a: 2, b: 2 });
  });

  it("reads short kernels often enough in a row for a clock's steps", () => {
    expect(untimed(0.01).repeats).toBe(300);
    expect(untimed(50).repeats).toBe(1);
    expect(untimed(0).repeats).toBe(1000);
  });
});

describe("the winner", () => {
  const of = (...times: number[]) => winner(times.map((fastest, i) => ({ name: String(i), fastest })));

  it.each([
    [[1, 0.93], "0"], // not clearly faster
    [[1, 0.91], "1"],
    [[1, 0.93, 0.9], "1"], // what begins earlier in the list stays where it can
    [[1, 0.5, 0.4], "2"],
    [[1], "0"],
  ])("of %j is %s", (times, name) => {
    expect(of(...times)).toBe(name);
  });
});
