import fc from "fast-check";
import { expect, it } from "vitest";
import { blocks, bytes, elements, pack, rank4, type Shape, strides4, unpack } from "../../src/engine/shape.js";

const shapes = fc.array(fc.integer({ min: 1, max: 7 }), { maxLength: 4 });
const filled = (shape: Shape) => Float32Array.from({ length: elements(shape) }, (_, i) => i + 1);

it("unpack reverses pack, and all padding is zero", () => {
  fc.assert(
    fc.property(shapes, (shape) => {
      const values = filled(shape);
      const storage = pack(values, shape);
      expect(storage.byteLength).toBe(bytes(shape));
      expect(unpack(storage, shape)).toEqual(values);
      // Values are 1 … n, so that any padding but zero would show in the sum.
      expect(storage.reduce((a, b) => a + b, 0)).toBe((values.length * (values.length + 1)) / 2);
    }),
  );
});

it("strides4 says where pack puts each value", () => {
  fc.assert(
    fc.property(shapes, (shape) => {
      const storage = pack(filled(shape), shape);
      const [n, h, w, c] = rank4(shape);
      const [sn, sh, sw, sc] = strides4(shape);
      let value = 1;
      for (let i = 0; i < n; i++)
        for (let y = 0; y < h; y++)
          for (let x = 0; x < w; x++)
            for (let k = 0; k < c; k++) expect(storage[i * sn + y * sh + x * sw + k * sc]).toBe(value++);
    }),
  );
});

it("the last axis is padded to four, a scalar is one vec4", () => {
  expect([[], [4], [5], [2, 3], [2, 3, 4, 9]].map(blocks)).toEqual([1, 1, 2, 2, 72]);
  expect(pack([7], [])).toEqual(Float32Array.of(7, 0, 0, 0));
  expect(pack([1, 2, 3, 4, 5, 6], [2, 3])).toEqual(Float32Array.of(1, 2, 3, 0, 4, 5, 6, 0));
});

it("unpack copies: what it returns does not change with the storage", () => {
  const storage = Float32Array.of(1, 2, 3, 4);
  const values = unpack(storage, [4]);
  storage[0] = 9;
  expect(values[0]).toBe(1);
});
