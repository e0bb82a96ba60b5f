/** Weights that came from a file: what a network takes of them. */
import { UserError } from "../../engine/errors.js";
import { elements, format, sameShape } from "../../engine/shape.js";

/** A tensor as the readers of weight files give it: row-major numbers. */
export interface WeightTensor {
  readonly shape: readonly number[];
  readonly data: ArrayLike<number | bigint>;
}

/**
 * The numbers of the expected tensors.
 * @param from what errors call their source
 * @throws UserError naming the first tensor that is missing, extra, of another shape, or holds what is no finite number
 */
export function checkTensors(
  from: string,
  expected: Readonly<Record<string, readonly number[]>>,
  tensors: Readonly<Record<string, WeightTensor>>,
): Record<string, Float32Array> {
  const fail = (why: string): never => {
    throw new UserError(`${from}: ${why}`);
  };
  const extra = Object.keys(tensors).find((name) => !Object.hasOwn(expected, name));
  if (extra !== undefined)
    fail(`tensor ${JSON.stringify(extra)} does not belong there; is it the file of another network?`);
  return Object.fromEntries(
    Object.entries(expected).map(([name, shape]) => {
      if (!Object.hasOwn(tensors, name))
        fail(`tensor "${name}" of shape ${format(shape)} is missing; is it the file of another network?`);
      const given = tensors[name];
      if (!sameShape(given.shape, shape))
        fail(`tensor "${name}" has shape ${format(given.shape)}, not ${format(shape)}`);
      if (given.data.length !== elements(shape)) {
        fail(`tensor "${name}" holds ${given.data.length} numbers, not the ${elements(shape)} of its shape`);
      }
      const data = given.data instanceof Float32Array ? given.data : Float32Array.from(given.data, Number);
      // A loop: findIndex takes a second for VGG16's 15 million numbers.
      for (let i = 0; i < data.length; i++) {
        if (!Number.isFinite(data[i])) fail(`tensor "${name}" holds ${data[i]} at ${i}; all must be finite numbers`);
      }
      return [name, data];
    }),
  );
}
