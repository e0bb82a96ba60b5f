import { type Activation, activationOf } from "./activation.js";
import { type Bound, sumBounds } from "./bounds.js";
import { at, offset, type Tensor, zeros } from "./tensor.js";

export interface DenseOptions {
  /** Applied to the sum. Default: "none". */
  activation?: Activation;
}

/** y = f(x w + b): x [N, in], w [in, out], b [out] or null → y [N, out]. */
export function forward(x: Tensor, w: Tensor, b: Tensor | null, options: DenseOptions = {}): Tensor {
  return activationOf(options.activation).forward(linear(x, w, b));
}

/** The gradients of <gy, y>. */
export function backward(
  x: Tensor,
  w: Tensor,
  b: Tensor | null,
  options: DenseOptions,
  gy: Tensor,
): { gx: Tensor; gw: Tensor; gb: Tensor | null } {
  return linearBackward(x, w, b, activationOf(options.activation).backward(linear(x, w, b), gy));
}

/** For y before its activation and for each gradient: sum of |terms| and number of terms. */
export function bounds(
  x: Tensor,
  w: Tensor,
  b: Tensor | null,
  options: DenseOptions,
  gy: Tensor,
): Record<"y" | "gx" | "gw" | "gb", Bound> {
  const g = activationOf(options.activation).backward(linear(x, w, b), gy);
  return sumBounds(
    (x: Tensor, w: Tensor, b: Tensor | null, g: Tensor) => ({ y: linear(x, w, b), ...linearBackward(x, w, b, g) }),
    x,
    w,
    b,
    g,
  );
}

function linear(x: Tensor, w: Tensor, b: Tensor | null): Tensor {
  const [n, inputs] = x.shape;
  const [rows, outputs] = w.shape;
  if (inputs !== rows) throw new Error(`dense of x [${x.shape}] with w [${w.shape}]: inputs differ`);
  const y = zeros([n, outputs]);
  for (let s = 0; s < n; s++) {
    for (let o = 0; o < outputs; o++) {
      let sum = b ? b.data[o] : 0;
      for (let i = 0; i < inputs; i++) sum += at(x, s, i) * at(w, i, o);
      y.data[offset(y.shape, [s, o])] = sum;
    }
  }
  return y;
}

function linearBackward(x: Tensor, w: Tensor, b: Tensor | null, g: Tensor) {
  const gx = zeros(x.shape);
  const gw = zeros(w.shape);
  const gb = b && zeros(b.shape);
  const [n, inputs] = x.shape;
  const outputs = w.shape[1];
  for (let s = 0; s < n; s++) {
    for (let o = 0; o < outputs; o++) {
      if (gb) gb.data[o] += at(g, s, o);
      for (let i = 0; i < inputs; i++) {
        gx.data[offset(x.shape, [s, i])] += at(g, s, o) * at(w, i, o);
        gw.data[offset(w.shape, [i, o])] += at(g, s, o) * at(x, s, i);
      }
    }
  }
  return { gx, gw, gb };
}
