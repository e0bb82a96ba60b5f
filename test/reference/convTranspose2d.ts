import { type Activation, activationOf } from "./activation.js";
import { type Bound, sumBounds } from "./bounds.js";
import type { Padding } from "./conv2d.js";
import { offset, type Tensor, zeros } from "./tensor.js";

export interface ConvTranspose2dOptions {
  stride: number;
  /** What the convolution that this one is the adjoint of would pad: pixels cut from the result. */
  padding: Padding;
  /** Rows at the bottom and columns at the right that are added to the result. Default: 0. */
  outputPadding?: number;
  /** Applied to the sum. Default: "none". */
  activation?: Activation;
}

/**
 * Every x[n, i, j, c] adds x * w[p, q, o, c] to y[n, i * stride + p - top, j * stride + q - left, o]; then b[o] is
 * added, and the activation applied.
 *
 * x [N, H, W, Ci], w [kh, kw, Co, Ci], b [Co] or null → y [N, H', W', Co]
 * with H' = (H - 1) * stride - top - bottom + kh + outputPadding.
 */
export function forward(x: Tensor, w: Tensor, b: Tensor | null, options: ConvTranspose2dOptions): Tensor {
  return activationOf(options.activation).forward(linear(x, w, b, options));
}

/** The gradients of <gy, y>. */
export function backward(
  x: Tensor,
  w: Tensor,
  b: Tensor | null,
  options: ConvTranspose2dOptions,
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
  options: ConvTranspose2dOptions,
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
export function outputShape(x: number[], w: number[], options: ConvTranspose2dOptions): number[] {
  const { stride, padding, outputPadding = 0 } = options;
  const [n, height, width, ci] = x;
  const [kh, kw, co, wi] = w;
  if (ci !== wi) throw new Error(`convTranspose2d of x [${x}] with w [${w}]: channels differ`);
  return [
    n,
    (height - 1) * stride - padding.top - padding.bottom + kh + outputPadding,
    (width - 1) * stride - padding.left - padding.right + kw + outputPadding,
    co,
  ];
}

function linear(x: Tensor, w: Tensor, b: Tensor | null, options: ConvTranspose2dOptions): Tensor {
  const y = zeros(outputShape(x.shape, w.shape, options));
  eachProduct(x.shape, w.shape, y.shape, options, (ix, iw, iy) => {
    y.data[iy] += x.data[ix] * w.data[iw];
  });
  const co = w.shape[2];
  if (b) for (let i = 0; i < y.data.length; i++) y.data[i] += b.data[i % co];
  return y;
}

function linearBackward(x: Tensor, w: Tensor, b: Tensor | null, options: ConvTranspose2dOptions, g: Tensor) {
  const gx = zeros(x.shape);
  const gw = zeros(w.shape);
  eachProduct(x.shape, w.shape, g.shape, options, (ix, iw, iy) => {
    gx.data[ix] += g.data[iy] * w.data[iw];
    gw.data[iw] += g.data[iy] * x.data[ix];
  });
  const gb = b && zeros(b.shape);
  const co = w.shape[2];
  if (gb) for (let i = 0; i < g.data.length; i++) gb.data[i % co] += g.data[i];
  return { gx, gw, gb };
}

/** Every product x * w that enters an element of y, by their places: the definition of the transposed convolution. */
function eachProduct(
  x: number[],
  w: number[],
  y: number[],
  { stride, padding }: ConvTranspose2dOptions,
  visit: (ix: number, iw: number, iy: number) => void,
): void {
  for (let n = 0; n < x[0]; n++) {
    for (let i = 0; i < x[1]; i++) {
      for (let j = 0; j < x[2]; j++) {
        for (let p = 0; p < w[0]; p++) {
          for (let q = 0; q < w[1]; q++) {
            const row = i * stride + p - padding.top;
            const column = j * stride + q - padding.left;
            if (row < 0 || row >= y[1] || column < 0 || column >= y[2]) continue;
            // The places of channel 0: channels are the last axes, and lie side by side.
            const atX = offset(x, [n, i, j, 0]);
            const atW = offset(w, [p, q, 0, 0]);
            const atY = offset(y, [n, row, column, 0]);
            for (let o = 0; o < w[2]; o++) {
              for (let c = 0; c < w[3]; c++) visit(atX + c, atW + o * w[3] + c, atY + o);
            }
          }
        }
      }
    }
  }
}
