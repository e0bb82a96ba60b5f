/** Whether a swap follows single features: change one thing in the source, and see how far the swap changes. */
import type { Stack } from "./measures.js";
import type { PoseName } from "./poses.js";

/** What is changed, from what to what: most of the range of a pose parameter, see poses.ts. */
export const RESPONSES = {
  Mouth: { pose: "mouth", low: 0.1, high: 0.9 },
  Smile: { pose: "smile", low: -0.4, high: 0.9 },
  Eye: { pose: "eye", low: 0.35, high: 0.95 },
  Brow: { pose: "brow", low: -0.4, high: 0.9 },
  Gaze: { pose: "gazeX", low: -0.6, high: 0.6 },
} as const satisfies Record<string, { pose: PoseName; low: number; high: number }>;

export type Feature = keyof typeof RESPONSES;
export const FEATURES = Object.keys(RESPONSES) as Feature[];

/** The measures of responses: the swap's, and what dst's own reconstruction reaches. */
export type Responses = Record<`response${Feature}` | `response${Feature}Ceiling`, number>;

/** Pictures of one pose with a feature low and high. */
export interface Change {
  readonly low: Stack;
  readonly high: Stack;
}

/**
 * The slope of what was made's change on the true change, over all pictures: 0 ignores the feature, 1 follows it wholly.
 * Of the least squares line through the origin: Σ made·true / Σ true².
 */
export function response(made: Change, truth: Change): number {
  let along = 0;
  let whole = 0;
  for (let i = 0; i < truth.low.data.length; i++) {
    const change = truth.high.data[i] - truth.low.data[i];
    along += change * (made.high.data[i] - made.low.data[i]);
    whole += change * change;
  }
  return along / whole;
}
