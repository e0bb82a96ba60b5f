import { expect, it } from "vitest";
import { dozeUntil } from "../../src/platform/doze.js";

/** Turns of an event loop that is always busy, as Dawn's polling keeps it, until a promise is settled. */
async function turnsUntil(done: Promise<unknown>): Promise<number> {
  let turns = 0;
  let over = false;
  const turn = () => {
    turns++;
    if (!over) setImmediate(turn);
  };
  setImmediate(turn);
  await done.catch(() => {});
  over = true;
  return turns;
}

const after = (ms: number) => new Promise<string>((resolve) => setTimeout(() => resolve("done"), ms));

it("settles as the promise does", async () => {
  expect(await dozeUntil(after(2))).toBe("done");
  await expect(dozeUntil(Promise.reject(new Error("lost")))).rejects.toThrow("lost");
});

it("lets the loop turn at most twice a millisecond, whatever the number of promises, and freely again behind it", async () => {
  const begin = performance.now();
  const turns = await turnsUntil(Promise.all([dozeUntil(after(60)), dozeUntil(after(30)), dozeUntil(after(60))]));
  const most = (performance.now() - begin) / 0.5 + 2;
  expect(turns).toBeGreaterThan(10);
  expect(turns).toBeLessThanOrEqual(most);
  const free = performance.now();
  expect(await turnsUntil(after(60))).toBeGreaterThan(2 * ((performance.now() - free) / 0.5));
});
