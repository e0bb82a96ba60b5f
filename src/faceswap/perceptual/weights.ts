/** The weights of LPIPS as they come in files: torchvision's trunk, and the linear weights of the lpips package. */
import { UserError } from "../../engine/errors.js";
import { type PerceptualNetwork, perceptualNetwork, SCALE, SHIFT } from "./lpips.js";
import { checkTensors, type WeightTensor } from "./tensors.js";
import { linShapes, NETWORK_NAMES, type PerceptualKind, sliceOf, trunkShapes } from "./trunks.js";

type Tensors = Readonly<Record<string, WeightTensor>>;

/** torchvision's files, and those of github.com/richzhang/PerceptualSimilarity. */
const FILES: Record<PerceptualKind, { trunk: string; lin: string }> = {
  alex: { trunk: "alexnet-owt-7be5be79.pth", lin: "lpips/weights/v0.1/alex.pth" },
  vgg: { trunk: "vgg16-397923af.pth", lin: "lpips/weights/v0.1/vgg.pth" },
  squeeze: { trunk: "squeezenet1_1-b8a52dc0.pth", lin: "lpips/weights/v0.1/squeeze.pth" },
};

/** What to say to someone who wants LPIPS and has given no weights. */
export function missingWeights(kind: PerceptualKind): UserError {
  const { trunk, lin } = FILES[kind];
  return new UserError(
    `LPIPS (${NETWORK_NAMES[kind]}) needs weights that Shibori does not bring: get torchvision's ${trunk} and ${lin} ` +
      `of github.com/richzhang/PerceptualSimilarity and pass them with --lpips-trunk FILE --lpips-lin FILE, or use ` +
      `the loss "random-features", which needs none (--set lossWeights.lpips-${kind}=null lossWeights.random-features=1)`,
  );
}

/**
 * The network of two files of weights. Beside torchvision's trunk and a file of linear weights it knows files of a whole
 * LPIPS model (net.slice1.0.weight, lin0 …, lins.0 …, scaling_layer), which can stand for either or for both. Of a trunk
 * the classifier is left out.
 * @param names what error lines call the two files
 * @throws UserError, one line naming the file and the first tensor that is missing, extra, of another shape, not finite,
 *   or of linear weights negative
 */
export function checkLpipsWeights(
  kind: PerceptualKind,
  trunk: Tensors,
  lin: Tensors,
  names: { readonly trunk: string; readonly lin: string },
): PerceptualNetwork {
  const what = `of LPIPS (${NETWORK_NAMES[kind]})`;
  const features = checkTensors(
    `the trunk ${what}, ${names.trunk}`,
    trunkShapes(kind),
    isWhole(trunk) ? trunkOfWhole(kind, trunk, names.trunk) : without(trunk, "classifier."),
  );
  const from = `the linear weights ${what}, ${names.lin}`;
  const given = isWhole(lin) ? linOfWhole(lin, names.lin) : lin;
  refuseDropoutless(given, from);
  const linear = checkTensors(from, linShapes(kind), given);
  for (const [name, data] of Object.entries(linear)) {
    const negative = data.findIndex((w) => w < 0);
    if (negative >= 0) {
      // PerceptualSimilarity issue 72: what loading with strict=False leaves of keys that do not fit.
      throw new UserError(
        `${from}: tensor "${name}" holds ${data[negative]} at ${negative}; trained weights are never negative, these ` +
          `look randomly initialised`,
      );
    }
  }
  const shapes = { ...trunkShapes(kind), ...linShapes(kind) };
  const all = Object.entries({ ...features, ...linear }).map(([name, data]) => [name, { shape: shapes[name], data }]);
  return perceptualNetwork(kind, Object.fromEntries(all));
}

/** Without dropout the lpips package calls a linear layer model.0, and loads no file of its own into it. */
function refuseDropoutless(tensors: Tensors, from: string): void {
  const name = Object.keys(tensors).find((each) => /^lin\d+\.model\.0\./.test(each));
  if (name === undefined) return;
  throw new UserError(
    `${from}: tensor "${name}" is of a model without dropout (use_dropout=False), which leaves its linear weights ` +
      `random (PerceptualSimilarity issue 72); the trained ones are called "${name.replace(".model.0.", ".model.1.")}"`,
  );
}

const without = (tensors: Tensors, prefix: string): Tensors =>
  Object.fromEntries(Object.entries(tensors).filter(([name]) => !name.startsWith(prefix)));

// --- files of a whole model: LPIPS(...).state_dict() ----------------------------------------------------------------

const isWhole = (tensors: Tensors): boolean => Object.keys(tensors).some((name) => name.startsWith("net.slice"));

const LIN = /^lins?\d*\./;
const SCALING = { "scaling_layer.shift": SHIFT, "scaling_layer.scale": SCALE };

/** net.slice2.3.weight is features.3.weight. What does not fit keeps its name, to be refused by it. */
function trunkOfWhole(kind: PerceptualKind, tensors: Tensors, file: string): Tensors {
  checkScaling(tensors, file);
  const own = Object.entries(tensors).filter(([name]) => !LIN.test(name) && !Object.hasOwn(SCALING, name));
  const renamed = own.map(([name, tensor]): [string, WeightTensor] => {
    const [, slice, at, part] = /^net\.slice(\d+)\.(.+)\.(weight|bias)$/.exec(name) ?? [];
    return [at && sliceOf(kind, at) === Number(slice) ? `features.${at}.${part}` : name, tensor];
  });
  return Object.fromEntries(renamed);
}

/** lins.0.model.1.weight repeats lin0.model.1.weight. */
function linOfWhole(tensors: Tensors, file: string): Tensors {
  checkScaling(tensors, file);
  const found: Record<string, WeightTensor> = {};
  for (const [name, tensor] of Object.entries(tensors)) {
    if (name.startsWith("net.") || Object.hasOwn(SCALING, name)) continue;
    const own = name.replace(/^lins\.(\d+)\./, "lin$1.");
    const other = Object.hasOwn(found, own) ? found[own] : undefined;
    if (other && !same(other, tensor)) {
      throw new UserError(`${file}: tensors "lin…" and "lins…" differ: "${own}" is there twice, with other numbers`);
    }
    found[own] = tensor;
  }
  return found;
}

const same = (a: WeightTensor, b: WeightTensor): boolean =>
  a.data.length === b.data.length && Array.from(a.data).every((value, i) => value === b.data[i]);

/** Another scaling would be another quantity. */
function checkScaling(tensors: Tensors, file: string): void {
  for (const [name, expected] of Object.entries(SCALING)) {
    if (!Object.hasOwn(tensors, name)) continue;
    const values = Array.from(tensors[name].data, Number);
    if (values.length !== 3 || values.some((v, c) => !(Math.abs(v - expected[c]) < 1e-6))) {
      throw new UserError(`${file}: tensor "${name}" holds ${values.slice(0, 3)}, not LPIPS's ${expected}`);
    }
  }
}
