import source from "../../shaders/pick_pictures.wgsl";
import { UserError } from "../engine/errors.js";
import { makeNode, type Node, type Op, refuse } from "../engine/graph.js";
import { kernel } from "../engine/lower.js";
import { constantOp } from "../engine/ops/leaf.js";
import { random } from "../engine/ops/random.js";

/** Square pictures of one size, as bytes: count · size · size · 3, red, green, blue. */
export interface PictureSet {
  readonly pictures: Uint8Array;
  readonly count: number;
  readonly size: number;
}

interface PickAttrs {
  readonly size: number;
  readonly count: number;
}

const pickOp: Op<PickAttrs> = {
  name: "pickPictures",
  shape([pictures, u], { size }) {
    if (u.length !== 2 || u[1] !== 1) refuse("pickPictures", [pictures, u], "the uniform numbers must be [N, 1]");
    return [u[0], size, size, 3];
  },
  lower(node) {
    const [pictures, u] = node.inputs;
    const [batch, size] = node.shape;
    const pixels = size * size;
    return [
      {
        kernel: kernel("pick_pictures", source),
        bind: { pictures, u, y: node },
        uniform: { pixels, count: node.attrs.count },
        groups: [Math.ceil(pixels / 64), batch, 1],
        traffic: batch * (16 + pixels * (4 + 16)),
      },
    ];
  },
  rows: (node, from, count, part) => makeNode(pickOp, [node.inputs[0], part(node.inputs[1], from, count)], node.attrs),
};

/** Four bytes a pixel, on the GPU: a constant whose storage is the packed words themselves. */
function packedPictures({ pictures, count, size }: PictureSet): Node {
  const pixels = count * size * size;
  const words = new Uint32Array(Math.ceil(pixels / 4) * 4);
  for (let i = 0; i < pixels; i++) {
    words[i] = pictures[i * 3] | (pictures[i * 3 + 1] << 8) | (pictures[i * 3 + 2] << 16);
  }
  return makeNode(constantOp, [], { shape: [words.length / 4, 4], values: words });
}

/**
 * A batch of pictures taken at random, other ones every step: [batch, size, size, 3] in [0, 1].
 * @throws UserError if the set's bytes are not count · size · size · 3
 */
export function pickPictures(set: PictureSet, options: { batch: number; stream?: number }): Node {
  const { pictures, count, size } = set;
  if (pictures.length !== count * size * size * 3) {
    throw new UserError(`pictures: ${pictures.length} bytes are not ${count} pictures of ${size}×${size}×3`);
  }
  const u = random([options.batch, 1], options.stream);
  return makeNode(pickOp, [packedPictures(set), u], { size, count });
}
