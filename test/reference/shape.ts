import { indices, offset, sizeOf, type Tensor, zeros } from "./tensor.js";

/** Each op is a copy of elements, so its gradient is the copy back. */
export const concat = {
  /** The inputs one after another along `axis`; all other extents are equal. */
  forward(inputs: Tensor[], axis: number): Tensor {
    const shape = [...inputs[0].shape];
    shape[axis] = inputs.reduce((total, t) => total + t.shape[axis], 0);
    const y = zeros(shape);
    let start = 0;
    for (const t of inputs) {
      indices(t.shape).forEach((index, i) => {
        y.data[offset(shape, moved(index, axis, start))] = t.data[i];
      });
      start += t.shape[axis];
    }
    return y;
  },
  /** One gradient per input. */
  backward(inputs: Tensor[], axis: number, gy: Tensor): Tensor[] {
    return split.forward(
      gy,
      axis,
      inputs.map((t) => t.shape[axis]),
    );
  },
};

export const slice = {
  /** The block of `sizes` that begins at the index `starts`. */
  forward(x: Tensor, starts: number[], sizes: number[]): Tensor {
    const y = zeros(sizes);
    indices(sizes).forEach((index, i) => {
      y.data[i] = x.data[offset(x.shape, plus(index, starts))];
    });
    return y;
  },
  backward(x: Tensor, starts: number[], sizes: number[], gy: Tensor): Tensor {
    const gx = zeros(x.shape);
    indices(sizes).forEach((index, i) => {
      gx.data[offset(x.shape, plus(index, starts))] = gy.data[i];
    });
    return gx;
  },
};

export const split = {
  /** Parts of extents `sizes` along `axis`, which add up to x's. */
  forward(x: Tensor, axis: number, sizes: number[]): Tensor[] {
    let start = 0;
    return sizes.map((size) => {
      const starts = x.shape.map((_, a) => (a === axis ? start : 0));
      start += size;
      return slice.forward(
        x,
        starts,
        x.shape.map((extent, a) => (a === axis ? size : extent)),
      );
    });
  },
  backward(_x: Tensor, axis: number, _sizes: number[], gys: Tensor[]): Tensor {
    return concat.forward(gys, axis);
  },
};

export const reshape = {
  forward(x: Tensor, shape: number[]): Tensor {
    if (sizeOf(shape) !== x.data.length) throw new Error(`[${x.shape}] cannot become [${shape}]`);
    return { shape: [...shape], data: x.data.slice() };
  },
  backward(x: Tensor, _shape: number[], gy: Tensor): Tensor {
    return reshape.forward(gy, x.shape);
  },
};

function plus(a: number[], b: number[]): number[] {
  return a.map((value, i) => value + b[i]);
}

function moved(index: number[], axis: number, by: number): number[] {
  return index.map((place, a) => (a === axis ? place + by : place));
}
