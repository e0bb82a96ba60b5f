import { expect, it } from "vitest";
import { portions } from "../../src/experiment/portions.js";

it("cuts a list into few parts of one length, none longer than allowed", () => {
  const cut = (count: number) =>
    portions(
      Array.from({ length: count }, (_, i) => i),
      8,
    );
  expect(cut(0)).toEqual([]);
  expect(cut(3)).toEqual([[0, 1, 2]]);
  expect(cut(8).map(({ length }) => length)).toEqual([8]);
  expect(cut(9).map(({ length }) => length)).toEqual([5, 4]);
  expect(cut(17).map(({ length }) => length)).toEqual([6, 6, 5]);
  expect(cut(17).flat()).toEqual(Array.from({ length: 17 }, (_, i) => i));
});
