import { beforeAll, describe, expect, it } from "vitest";
import { uniform } from "../../src/engine/philox.js";
import { avatars, drawAvatars, type Layer, poses } from "../../src/faceswap/avatars.js";
import { PAIRS } from "../../src/faceswap/identities.js";
import { POSE_COUNT, POSE_KINDS, poseTransform } from "../../src/faceswap/poses.js";
import { compile, constant, type Node, ShapeError } from "../../src/index.js";
import { openGpu } from "../../src/platform/node.js";
import { compileDirty, evaluate, expectNear, gpu, readAll, step, type Value } from "../gpu.js";
import { renderAvatar } from "../reference/avatars.js";
import { type Tensor, zeros } from "../reference/tensor.js";

const LAYERS = { picture: 0, eyes: 1, mouth: 2, features: 3 } as const;
const layers = Object.keys(LAYERS) as Layer[];
const BATCH = 2;

const PEOPLE = [
  { who: "src", identity: PAIRS.mild.src, kind: "full", background: "random" },
  { who: "dst of both", identity: PAIRS.both.dst, kind: "wide", background: "plain" },
  { who: "dst of hue", identity: PAIRS.hue.dst, kind: "hardleft", background: "random" },
  { who: "dst of medium", identity: PAIRS.medium.dst, kind: "demo", background: "plain" },
] as const;

/** The reference pictures of given poses, without the padding lane. */
function expected({ identity }: (typeof PEOPLE)[number], pose: Value, size: number, layer: Layer): Tensor {
  const channels = layer === "picture" ? 3 : 1;
  const whole = zeros([BATCH, size, size, channels]);
  for (let n = 0; n < BATCH; n++) {
    const one = pose.data.subarray(n * POSE_COUNT, (n + 1) * POSE_COUNT);
    const drawn = renderAvatar(identity, one, size, LAYERS[layer]);
    for (let i = 0; i < size * size; i++) {
      whole.data.set(drawn.subarray(i * 4, i * 4 + channels), (n * size * size + i) * channels);
    }
  }
  return whole;
}

// 33: a picture whose last workgroup is not full.
describe.each([33, 64])("drawAvatars at %i px", (size) => {
  let values: Record<string, Value>;
  beforeAll(async () => {
    values = await evaluate(
      () => {
        const outputs: Record<string, Node> = {};
        for (const { who, identity, kind, background } of PEOPLE) {
          const pose = poses(kind, { batch: BATCH, background });
          outputs[`${who} poses`] = pose;
          for (const layer of layers) outputs[`${who} ${layer}`] = drawAvatars(identity, pose, size, layer);
        }
        return outputs;
      },
      { seed: size },
    );
  });

  it.each(PEOPLE.flatMap((person) => layers.map((layer) => ({ person, who: person.who, layer }))))(
    "$who, $layer: as the reference draws it",
    ({ person, who, layer }) => {
      const actual = values[`${who} ${layer}`];
      const reference = expected(person, values[`${who} poses`], size, layer);
      // WGSL allows sin and cos an absolute error of 2^-11; an edge, one pixel wide, moves by that part of the picture.
      expectNear(`${who} ${layer}`, actual, reference, zeros(reference.shape).data.fill(size * 2 ** -11));
      const total = reference.data.reduce((sum, value, i) => sum + Math.abs(value - actual.data[i]), 0);
      expect(total / reference.data.length).toBeLessThanOrEqual(2e-4);
    },
  );
});

it("draws 32 and 1024 px alike", async () => {
  const [small, large] = [32, 1024];
  const program = await compile(gpu, () => {
    const pose = poses("demo", { batch: 1 });
    const draw = (size: number) => drawAvatars(PAIRS.hue.dst, pose, size);
    return { small: draw(small), large: draw(large) };
  });
  await step(program);
  const side = large / small;
  const shrunk = new Float64Array(small * small * 3);
  (await program.read("large")).forEach((value, i) => {
    const [x, y] = [Math.floor(i / 3) % large, Math.floor(i / 3 / large)];
    shrunk[(Math.floor(y / side) * small + Math.floor(x / side)) * 3 + (i % 3)] += value / side ** 2;
  });
  const picture = await program.read("small");
  const apart = shrunk.reduce((sum, value, i) => sum + Math.abs(value - picture[i]), 0) / shrunk.length;
  expect(apart).toBeLessThan(0.01);
  program.destroy();
});

it("draws a batch that does not fit one binding in parts", async () => {
  const [size, batch] = [64, 5];
  const build = () => ({ y: avatars(PAIRS.mild.dst, { batch, size }) });
  const small = await openGpu({ maxBindingBytes: 2 * size * size * 16 });
  const program = await compileDirty(build, {}, small);
  expect(program.outputs.get("y")?.nodes.map((node) => node.shape[0])).toEqual([2, 2, 1]);
  await step(program);
  const [parts, whole] = [await readAll(program), await evaluate(build)];
  expect(parts.y).toEqual(whole.y);
  small.destroy();
});

it("refuses other poses and sizes", () => {
  const wrong = (shape: number[], size: number) => () =>
    drawAvatars(PAIRS.mild.src, constant(new Float32Array(shape.reduce((a, b) => a * b)), shape), size);
  for (const shape of [[2, POSE_COUNT - 1], [POSE_COUNT], [1, 2, POSE_COUNT]]) {
    expect(wrong(shape, 64)).toThrow(ShapeError);
    expect(wrong(shape, 64)).toThrow("poses of [N, 20] are needed");
  }
  for (const size of [31, 1025, 64.5, Number.NaN]) {
    expect(wrong([2, POSE_COUNT], size)).toThrow(`the size ${size} must be a whole number from 32 to 1024`);
  }
});

describe("poses", () => {
  const BATCHES = 128;
  const seed = 2 ** 40 + 5;
  const steps: Record<string, Value>[] = [];
  beforeAll(async () => {
    const program = await compile(
      gpu,
      () => ({
        ...Object.fromEntries(POSE_KINDS.map((kind) => [kind, poses(kind, { batch: BATCHES, background: "random" })])),
        plain: poses("full", { batch: BATCHES }),
        a: poses("full", { batch: 2, stream: 77 }),
        b: poses("full", { batch: 2, stream: 77 }),
      }),
      { seed },
    );
    for (let i = 0; i < 2; i++) {
      await step(program);
      steps.push(await readAll(program));
    }
    program.destroy();
  });

  it.each([...POSE_KINDS, "plain"])("%s: the poses of this seed, step and stream", (kind) => {
    const full = kind === "plain";
    const { scale, offset } = poseTransform(full ? "full" : (kind as "full"), full ? "plain" : "random");
    const stream = full ? POSE_KINDS.length : POSE_KINDS.indexOf(kind as "full");
    steps.forEach((values, i) => {
      const u = uniform(BATCHES * POSE_COUNT, { seed, step: i + 1, stream });
      const pose = zeros([BATCHES, POSE_COUNT]);
      const tolerance = pose.data.map((_, at) => {
        const [s, o] = [scale[at % POSE_COUNT], offset[at % POSE_COUNT]];
        pose.data[at] = o + s * u[at];
        return 2 ** -23 * (Math.abs(s) + Math.abs(o));
      });
      expectNear(`${kind} poses of step ${i + 1}`, values[kind], pose, tolerance);
    });
  });

  it("are others at every step, and the same for one stream", () => {
    const [first, second] = steps;
    expect(first.a.data).not.toEqual(second.a.data);
    for (const { a, b } of steps) expect(a.data).toEqual(b.data);
    expect(first.full.data.subarray(0, 2 * POSE_COUNT)).not.toEqual(first.a.data);
  });
});
