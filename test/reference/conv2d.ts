import { type Activation, activationOf } from "./activation.js";
import { type Bound, sumBounds } from "./bounds.js";
import { offset, type Tensor, zeros } from "./tensor.js";

/** Zeros around an image, in pixels. */
export interface Padding {
  top: number;
  bottom: number;
  left: number;
  right: number;
}

export interface Conv2dOptions {
  stride: number;
  padding: Padding;
  /** Applied to the sum. Default: "none". */
  activation?: Activation;
}

/**
 * y[n, i, j, o] = f(b[o] + sum over p, q, c of x[n, i * stride + p - top, j * stride + q - left, c] * w[p, q, c, o])
 *
 * x [N, H, W, Ci], w [kh, kw, Ci, Co], b [Co] or null → y [N, H', W', Co]
 * with H' = (H + top + bottom - kh) / stride + 1, rounded down.
 */
export function forward(x: Tensor, w: Tensor, b: Tensor | null, options: Conv2dOptions): Tensor {
  return activationOf(options.activation).forward(linear(x, w, b, options));
}

/** The gradients of <gy, y>. */
export function backward(
  x: Tensor,
  w: Tensor,
  b: Tensor | null,
  options: Conv2dOptions,
  gy: Tensor,
): { gx: Tensor; gw: Tensor; gb: Tensor | null } {
  const g = activationOf(options.activation).backward(linear(x, w, b, options), gy);
  return linearBackward(x, w, b, options, g);
}

/** For y before its activation and for each gradient: sum of |terms| and number of terms. */
export function bounds(
  x: Tensor,
  w: Tensor,
  b: Tensor | null,
  options: Conv2dOptions,
  gy: Tensor,
): Record<"y" | "gx" | "gw" | "gb", Bound> {
  const g = activationOf(options.activation).backward(linear(x, w, b, options), gy);
  return sumBounds(
    (x: Tensor, w: Tensor, b: Tensor | null, g: Tensor) => ({
      y: linear(x, w, b, options),
      ...linearBackward(x, w, b, options, g),
    }),
    x,
    w,
    b,
    g,
  );
}

/** The shape of y. */
export function outputShape(x: number[], w: number[], { stride, padding }: Conv2dOptions): number[] {
  const [n, height, width, ci] = x;
  const [kh, kw, wi, co] = w;
  if (ci !== wi) throw new Error(`conv2d of x [${x}] with w [${w}]: channels differ`);
  return [
    n,
    Math.floor((height + padding.top + padding.bottom - kh) / stride) + 1,
    Math.floor((width + padding.left + padding.right - kw) / stride) + 1,
    co,
  ];
}

function linear(x: Tensor, w: Tensor, b: Tensor | null, options: Conv2dOptions): Tensor {
  const y = zeros(outputShape(x.shape, w.shape, options));
  eachProduct(x.shape, w.shape, y.shape, options, (ix, iw, iy) => {
    y.data[iy] += x.data[ix] * w.data[iw];
  });
  const co = w.shape[3];
  if (b) for (let i = 0; i < y.data.length; i++) y.data[i] += b.data[i % co];
  return y;
}

function linearBackward(x: Tensor, w: Tensor, b: Tensor | null, options: Conv2dOptions, g: Tensor) {
  const gx = zeros(x.shape);
  const gw = zeros(w.shape);
  eachProduct(x.shape, w.shape, g.shape, options, (ix, iw, iy) => {
    gx.data[ix] += g.data[iy] * w.data[iw];
    gw.data[iw] += g.data[iy] * x.data[ix];
  });
  const gb = b && zeros(b.shape);
  const co = w.shape[3];
  if (gb) for (let i = 0; i < g.data.length; i++) gb.data[i % co] += g.data[i];
  return { gx, gw, gb };
}

/** Every product x * w that enters an element of y, by their places: the definition of the convolution. */
function eachProduct(
  x: number[],
  w: number[],
  y: number[],
  { stride, padding }: Conv2dOptions,
  visit: (ix: number, iw: number, iy: number) => void,
): void {
  for (let n = 0; n < y[0]; n++) {
    for (let i = 0; i < y[1]; i++) {
      for (let j = 0; j < y[2]; j++) {
        for (let p = 0; p < w[0]; p++) {
          for (let q = 0; q < w[1]; q++) {
            const row = i * stride + p - padding.top;
            const column = j * stride + q - padding.left;
            if (row < 0 || row >= x[1] || column < 0 || column >= x[2]) continue;
            // The places of channel 0: channels are the last axes, and lie side by side.
            const atX = offset(x, [n, row, column, 0]);
            const atW = offset(w, [p, q, 0, 0]);
            const atY = offset(y, [n, i, j, 0]);
            for (let c = 0; c < w[2]; c++) {
              for (let o = 0; o < w[3]; o++) visit(atX + c, atW + c * w[3] + o, atY + o);
            }
          }
        }
      }
    }
  }
}
