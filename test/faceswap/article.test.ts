import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Gpu } from "../../src/engine/gpu.js";
import { uniform } from "../../src/engine/philox.js";
import { modelOf } from "../../src/faceswap/model.js";
import type { PictureSet } from "../../src/faceswap/pictures.js";
import { presetNamed } from "../../src/faceswap/presets.js";
import { lossNetworks } from "../../src/faceswap/slotLosses.js";
import { compileTraining } from "../../src/faceswap/training.js";
import { gpu, step } from "../gpu.js";
import { philoxNetwork } from "./perceptual/philoxNetwork.js";

/** What test/golden/step.py computed in PyTorch. */
interface Golden {
  readonly size: number;
  readonly batch: number;
  readonly set: number;
  readonly losses: Record<string, number>;
  readonly gradientNorms: Record<string, number>;
  readonly float32Deviation: Record<"losses" | "gradientNorms", Record<string, number>>;
}
const GOLDEN = JSON.parse(readFileSync(new URL("../golden/step.json", import.meta.url), "utf8")) as Record<
  string,
  Golden
>;

const PICTURE_STREAM = 1000;

/** Coarse noise enlarged, the same bytes as in step.py. */
function pictureSet(stream: number, { size, set }: Golden): PictureSet {
  const coarse = uniform(set * 16 * 16 * 3, { seed: 0, step: 0, stream });
  const cell = size / 16;
  const pictures = new Uint8Array(set * size * size * 3);
  let at = 0;
  for (let n = 0; n < set; n++) {
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        const from = ((n * 16 + Math.floor(y / cell)) * 16 + Math.floor(x / cell)) * 3;
        for (let c = 0; c < 3; c++) pictures[at++] = Math.floor(coarse[from + c] * 256);
      }
    }
  }
  return { pictures, count: set, size };
}

const norm = (values: Float32Array): number => Math.sqrt(values.reduce((sum, v) => sum + v * v, 0));

// A step of the 512-pixel network is some 400 GFLOP: a minute on two cores.
const LONG = process.env.SHIBORI_FULL === "1" && !/SwiftShader/.test(gpu.name);

describe.runIf(LONG)("the first training step of the article's networks is PyTorch's", () => {
  it.each(Object.entries(GOLDEN))(
    "%s: losses, and the norm of every gradient",
    { timeout: 900_000 },
    async (name, golden) => {
      const { description: _, ...preset } = presetNamed(name);
      const config = { ...preset, batch: golden.batch };
      const data = { src: pictureSet(PICTURE_STREAM, golden), dst: pictureSet(PICTURE_STREAM + 1, golden) };
      const used = countBuffers();
      const model = modelOf(config);
      const networks = lossNetworks(config.lossWeights, philoxNetwork("alex"));
      const program = await compileTraining(gpu, model, config, data, { networks });
      await step(program);
      const made = used.stop();
      const { values } = await program.history();
      // Adam's first moment is a tenth of the first gradient.
      const moments = await model.parameters.read(gpu, "m");
      const { plan } = program.layout;
      const MiB = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
      const planned = plan.slots.reduce((a, b) => a + b, 0);
      const parameters = 3 * model.parameters.layout().bytes;
      console.log(
        `${name} on ${gpu.name}: ${(program.flops / 1e9).toFixed(0)} GFLOP; planned ${MiB(planned)} in ${plan.slots.length} slots ` +
          `(at least ${MiB(plan.lowerBound)}) + ${MiB(parameters)} of parameters and moments; buffers made ${MiB(made)}`,
      );
      program.destroy();

      let worst = { ratio: 0, what: "" };
      // Sums in another order round otherwise, and where a pixel is nearly right L1's gradient may turn its sign: as far from
      // float64 as PyTorch's own float32 is at its worst, four times over, and a few roundings of the norm itself.
      const allowedOf = (deviations: Record<string, number>) =>
        4 * Math.max(...Object.values(deviations)) + 64 * 2 ** -24;
      const check = (what: string, actual: number, expected: number, allowed: number) => {
        const ratio = Math.abs(actual - expected) / Math.abs(expected) / allowed;
        if (ratio > worst.ratio) worst = { ratio, what };
        expect(ratio, `${what}: ${actual}, not ${expected}`).toBeLessThanOrEqual(1);
      };
      for (const [loss, expected] of Object.entries(golden.losses)) {
        check(loss, values[loss][0], expected, allowedOf(golden.float32Deviation.losses));
      }
      expect([...moments.keys()].sort()).toEqual(Object.keys(golden.gradientNorms).sort());
      for (const [parameter, expected] of Object.entries(golden.gradientNorms)) {
        const m = moments.get(parameter) as Float32Array;
        check(parameter, 10 * norm(m), expected, allowedOf(golden.float32Deviation.gradientNorms));
      }
      console.log(`${name}: worst ${worst.ratio.toPrecision(2)} of what is allowed (${worst.what})`);
    },
  );
});

/** Counts the bytes of the buffers that the device makes until `stop`. */
function countBuffers(): { stop: () => number } {
  let bytes = 0;
  gpu.createBuffer = (label, size, usage) => {
    bytes += size;
    return Gpu.prototype.createBuffer.call(gpu, label, size, usage);
  };
  return {
    stop: () => {
      Reflect.deleteProperty(gpu, "createBuffer");
      return bytes;
    },
  };
}
