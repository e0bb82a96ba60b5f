import { beforeAll, describe, expect, it } from "vitest";
import { adversary, identityClassifier } from "../../../src/faceswap/code/adversary.js";
import { codeConsistency } from "../../../src/faceswap/code/consistency.js";
import { coral } from "../../../src/faceswap/code/coral.js";
import { latentLoss } from "../../../src/faceswap/code/latent.js";
import { mmd } from "../../../src/faceswap/code/mmd.js";
import { vibKl } from "../../../src/faceswap/code/vib.js";
import { gradients, type Node, Parameters } from "../../../src/index.js";
import { goldenClassifier, goldenCode, goldenCodes, stored } from "../../golden/code.js";
import { evaluate, expectNear, leaf, type Value } from "../../gpu.js";
import * as oracle from "../../reference/code.js";
import { exact, gradients as gradientsOf, type Rounded } from "../../reference/rounded.js";
import { type Tensor, tensor } from "../../reference/tensor.js";

/** Nine digits are stored, and weights over pairs are float32: both far below float32's own rounding of a loss. */
const STORED = 1e-8;
const PAIRS = 2 ** -24;

/** Rounding differs between programs, but not its size: ten times what PyTorch's own float32 is off by. */
const FACTOR = 10;

const { factor } = goldenCode;

/** The losses of a case: as nodes, with what they are differentiated by, and as oracles of the same inputs. */
function losses(codes: Tensor[]) {
  const inputs = codes[0].data.length / codes[0].shape[0];
  const weights = Object.values(goldenClassifier(inputs, codes.length));
  const nodes = (): Record<string, { y: Node; wanted: (Node | undefined)[] }> => {
    const leaves = codes.map(leaf);
    const parameters = new Parameters();
    // A network of a dense code, of which only the length and the decoders' number matter here.
    const decode = Object.fromEntries(codes.map((_, i) => [`identity ${i}`, (x: Node) => x]));
    const architecture = { size: 7, stages: [], mid: 1, code: 1, dense: inputs };
    const classifier = identityClassifier({ parameters, architecture, decode }, goldenCode.seed);
    const found: Record<string, { y: Node; wanted: (Node | undefined)[] }> = {
      "latent element": { y: latentLoss(leaves, "element"), wanted: leaves },
      "latent channel": { y: latentLoss(leaves, "channel"), wanted: leaves },
      coral: { y: coral(leaves), wanted: leaves },
      mmd: { y: mmd(leaves), wanted: leaves },
      adversary: { y: adversary(leaves, classifier, factor), wanted: [...leaves, ...parameters.nodes] },
    };
    if (codes.length === 2) {
      found.vib = { y: vibKl(leaves[0], leaves[1]), wanted: leaves };
      found.consistency = { y: codeConsistency(leaves[0], leaves[1]), wanted: [undefined, leaves[1]] };
    }
    return found;
  };
  const oracles: Record<string, (x: Rounded[]) => Rounded> = {
    "latent element": (x) => oracle.latent(x, "element"),
    "latent channel": (x) => oracle.latent(x, "channel"),
    coral: oracle.coral,
    mmd: (x) => oracle.mmd(x),
    adversary: (x) => {
      const [w0, b0, w1, b1] = x.slice(codes.length);
      return oracle.adversary(x.slice(0, codes.length), { w0, b0, w1, b1 }, factor);
    },
    vib: ([m, v]) => oracle.vibKl(m, v),
    consistency: ([a, b]) => oracle.consistency(a, b),
  };
  return { nodes, oracles, inputsOf: (name: string) => (name === "adversary" ? [...codes, ...weights] : codes) };
}

describe.each(goldenCode.cases)("PyTorch's losses on $identities codes $shape", ({ shape, identities, results }) => {
  const own = losses(goldenCodes(shape, identities));
  let values: Record<string, Value>;
  beforeAll(async () => {
    values = await evaluate(() => {
      const outputs: Record<string, Node> = {};
      for (const [name, { y, wanted }] of Object.entries(own.nodes())) {
        outputs[`${name} y`] = y;
        const there = wanted.flatMap((node, i) => (node ? [{ node, i }] : []));
        const found = gradients(
          y,
          there.map(({ node }) => node),
        );
        there.forEach(({ i }, at) => {
          outputs[`${name} g${i}`] = found[at];
        });
      }
      return outputs;
    });
  });

  it.each(Object.keys(results))("%s", (name) => {
    const leaves = own.inputsOf(name).map(exact);
    const y = own.oracles[name](leaves);
    const compare = (what: string, golden: number[], reference: Rounded, actual?: Value) => {
      const [kept, error] = [stored(reference.value.data), stored(reference.error)];
      expect(kept.length, what).toBe(golden.length);
      const greatest = Math.max(...golden.map(Math.abs));
      const slack = STORED * greatest + (identities > 2 ? 8 * PAIRS * greatest : 0);
      golden.forEach((g, i) => {
        expect(Math.abs(kept[i] - g), `${what}[${i}] in float64`).toBeLessThanOrEqual(slack);
      });
      if (!actual) return;
      const data = Float32Array.from(stored(actual.data));
      const tolerance = error.map((e) => e + slack);
      expectNear(what, { shape: [data.length], data }, tensor([golden.length], golden), tolerance);
      const own = Array<number>(golden.length).fill(FACTOR * goldenCode.float32Deviation[name] * greatest);
      expectNear(
        `${what}, near PyTorch's float32`,
        { shape: [data.length], data },
        tensor([golden.length], golden),
        own,
      );
    };
    compare(`${name} y`, [results[name].value], y, values[`${name} y`]);
    gradientsOf(y, leaves).forEach((g, i) => {
      compare(`${name} g${i}`, results[name].gradients[i], g, values[`${name} g${i}`]);
    });
  });
});
