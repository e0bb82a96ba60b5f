import { conv2dLadder } from "./conv2d/ladder.js";
import { conv2dWeightGradLadder } from "./conv2dWeightGrad/ladder.js";
import { convTranspose2dLadder } from "./convTranspose2d/ladder.js";
import { denseLadder } from "./dense/ladder.js";
import type { Ladder } from "./ladder.js";
import { sumLadder } from "./sum/ladder.js";

export const LADDERS: readonly Ladder[] = [
  conv2dLadder,
  convTranspose2dLadder,
  conv2dWeightGradLadder,
  denseLadder,
  sumLadder,
];
