import { type Tensor, zeros } from "./tensor.js";

export interface AdamOptions {
  learningRate: number;
  /** Default: 0.9 and 0.999. */
  betas?: [number, number];
  /** Added to the root of the corrected second moment. Default: 1e-8. */
  epsilon?: number;
  /** Default: 0. */
  weightDecay?: number;
  /** AdamW's decay of the parameter itself; Adam adds the decay to the gradient. Default: false. */
  decoupled?: boolean;
}

export interface AdamState {
  /** Steps taken. */
  step: number;
  first: Tensor;
  second: Tensor;
}

export function adamState(parameter: Tensor): AdamState {
  return { step: 0, first: zeros(parameter.shape), second: zeros(parameter.shape) };
}

/**
 * One step in place, as torch.optim.Adam (Kingma and Ba 2015) and torch.optim.AdamW (Loshchilov and Hutter 2019) define
 * it:
 *
 *   g' = g + decay * p (Adam)   or   p ← p - lr * decay * p (AdamW)
 *   m ← b1 m + (1 - b1) g',   v ← b2 v + (1 - b2) g'^2
 *   p ← p - lr * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon)
 */
export function adamStep(parameter: Tensor, gradient: Tensor, state: AdamState, options: AdamOptions): void {
  const { learningRate, betas = [0.9, 0.999], epsilon = 1e-8, weightDecay = 0, decoupled = false } = options;
  state.step++;
  const correction1 = 1 - betas[0] ** state.step;
  const correction2 = 1 - betas[1] ** state.step;
  const p = parameter.data;
  const m = state.first.data;
  const v = state.second.data;
  for (let i = 0; i < p.length; i++) {
    let g = gradient.data[i];
    if (decoupled) p[i] -= learningRate * weightDecay * p[i];
    else g += weightDecay * p[i];
    m[i] = betas[0] * m[i] + (1 - betas[0]) * g;
    v[i] = betas[1] * v[i] + (1 - betas[1]) * g * g;
    p[i] -= (learningRate * (m[i] / correction1)) / (Math.sqrt(v[i] / correction2) + epsilon);
  }
}
