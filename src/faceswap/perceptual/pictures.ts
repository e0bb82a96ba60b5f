import { type Node, refuse } from "../../engine/graph.js";
import { sameShape } from "../../engine/shape.js";

/** The shapes of two pictures that a loss compares, with the fewest pixels both ways. @throws ShapeError */
export function checkPictures(op: string, x: Node, y: Node, least = 1): void {
  const shapes = [x.shape, y.shape];
  const [, h, w, c] = x.shape;
  if (!sameShape(x.shape, y.shape) || x.shape.length !== 4 || c !== 3) {
    refuse(op, shapes, "both must have one shape [N, H, W, 3]");
  }
  if (h < least || w < least) {
    refuse(op, shapes, `${h}×${w} pixels are too few: at least ${least}×${least} are needed`);
  }
}
