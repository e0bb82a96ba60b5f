import { expect, it } from "vitest";
import { uniform } from "../../../src/engine/philox.js";
import { add, random, ShapeError } from "../../../src/index.js";
import { compileDirty, evaluate, expectExact, readAll, sabotage, step } from "../../gpu.js";
import { tensor } from "../../reference/tensor.js";

/** Rows cut Philox's blocks of four in every way; the last has one number a vec4, and 25 workgroups. */
const shapes = [[], [1], [5], [3, 4], [7, 3], [2, 3, 5, 6], [1, 9, 7, 33], [40, 40, 1]];

const expected = (shape: number[], seed: number, step: number, stream: number) => {
  const count = shape.reduce((a, b) => a * b, 1);
  return tensor(shape, uniform(count, { seed, step, stream }));
};

it.each([0, 1234, 2 ** 32 + 5, Number.MAX_SAFE_INTEGER])("has Philox's numbers to the bit, seed %d", async (seed) => {
  const program = await compileDirty(
    () => Object.fromEntries(shapes.map((shape, stream) => [`${stream}`, random(shape)])),
    { seed },
  );
  // Steps count from 1; the clock moves on the GPU. Then a run that is continued late.
  const check = async (number: number) => {
    await step(program);
    const values = await readAll(program);
    shapes.forEach((shape, stream) => {
      expectExact(`[${shape}], step ${number}`, values[stream], expected(shape, seed, number, stream));
    });
  };
  await check(1);
  await check(2);
  program.setStep(2 ** 31 + 6);
  await check(2 ** 31 + 7);
  program.destroy();
});

it("repeats a stream that is named, and counts the others from 0 in each program", async () => {
  const build = () => ({ a: random([5]), b: random([5]), again: random([5], 1), far: random([5], 2 ** 32 - 1) });
  for (let run = 0; run < 2; run++) {
    const values = await evaluate(build, { seed: 9 });
    expectExact("a", values.a, expected([5], 9, 1, 0));
    expectExact("b", values.b, expected([5], 9, 1, 1));
    expectExact("again", values.again, expected([5], 9, 1, 1));
    expectExact("far", values.far, expected([5], 9, 1, 2 ** 32 - 1));
  }
});

it("needs a program, or a stream", () => {
  expect(() => random([3])).toThrow(ShapeError);
  expect(() => random([3])).toThrow("a random op needs a program");
  expect(add(random([3], 0), random([3], 1)).shape).toEqual([3]);
});

it("fails with a planted fault: nine rounds", async () => {
  const { y } = await evaluate(() => ({ y: sabotage(random([5], 0), "round < 10", "round < 9") }));
  expect(() => expectExact("planted", y, expected([5], 0, 1, 0))).toThrow("not");
});
