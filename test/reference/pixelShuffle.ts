import { indices, offset, type Tensor, zeros } from "./tensor.js";

/** x [N, H, W, C·r²] → y [N, H·r, W·r, C]: y[n, h·r + i, w·r + j, c] = x[n, h, w, c·r² + i·r + j]. */
export const shuffle = {
  forward(x: Tensor, r: number): Tensor {
    const [n, h, w, c] = x.shape;
    const y = zeros([n, h * r, w * r, c / r ** 2]);
    indices(x.shape).forEach((index, at) => {
      y.data[offset(y.shape, moved(index, r))] = x.data[at];
    });
    return y;
  },
  /** A copy of elements, so its gradient is the copy back. */
  backward: (_x: Tensor, r: number, gy: Tensor): Tensor => unshuffle.forward(gy, r),
};

/** The inverse: x [N, H·r, W·r, C] → y [N, H, W, C·r²]. */
export const unshuffle = {
  forward(x: Tensor, r: number): Tensor {
    const [n, h, w, c] = x.shape;
    const y = zeros([n, h / r, w / r, c * r ** 2]);
    indices(y.shape).forEach((index, at) => {
      y.data[at] = x.data[offset(x.shape, moved(index, r))];
    });
    return y;
  },
  backward: (_x: Tensor, r: number, gy: Tensor): Tensor => shuffle.forward(gy, r),
};

/** Where an element with channels c·r² + i·r + j goes. */
function moved([n, h, w, k]: number[], r: number): number[] {
  return [n, h * r + (Math.floor(k / r) % r), w * r + (k % r), Math.floor(k / r ** 2)];
}
