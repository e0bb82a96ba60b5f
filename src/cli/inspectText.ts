/** What `shibori inspect` prints for people. */
import { type TrainingConfig, trainedPoses } from "../faceswap/config.js";
import type { InspectedLayer } from "../faceswap/inspect.js";
import { memoryText } from "../faceswap/stepPlan.js";
import { count } from "../report/numbers.js";
import type { Inspection } from "./inspect.js";
import { kernelTable } from "./inspectKernels.js";
import { codeText, inputText } from "./network.js";
import { table } from "./table.js";

/** A large number with three digits: 56.6 M. */
export function large(n: number): string {
  const rounded = n < 1000 ? Math.round(n) : Number(n.toPrecision(3));
  const at = Math.min(4, Math.max(0, Math.floor(Math.log10(Math.max(rounded, 1)) / 3)));
  const scaled = rounded / 1000 ** at;
  const digits = at === 0 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(scaled)));
  return `${scaled.toFixed(digits)} ${["", "k", "M", "G", "T"][at]}`;
}

const KINDS: Record<InspectedLayer["kind"], string> = {
  conv: "conv",
  transposed: "transposed",
  dense: "dense",
  average: "average",
  shuffle: "pixel shuffle",
  resize: "nearest",
  crop: "crop",
};

function kindText({ kind, kernel, stride, padding, outputPadding }: InspectedLayer): string {
  if (kind === "average") return `average ${kernel}×${kernel}`;
  if (kind !== "conv" && kind !== "transposed") return KINDS[kind];
  const plus = outputPadding ? `+${outputPadding}` : "";
  return `${KINDS[kind]} ${kernel}×${kernel} s${stride} p${padding}${plus}`;
}

function layerTable({ layers }: Inspection): string {
  const map = ({ height, width }: InspectedLayer["input"]) => `${height}×${width}`;
  const head = ["layer", "", "channels", "in", "out", "parameters", "FLOP", "sees"];
  const rows = layers.map((layer) => [
    layer.name,
    kindText(layer),
    `${layer.from} → ${layer.to}`,
    map(layer.input),
    map(layer.output),
    layer.parameters ? count(layer.parameters) : "",
    layer.flops ? large(layer.flops) : "",
    layer.receptiveField === null ? "-" : `${layer.receptiveField} px`,
  ]);
  return table([head, ...rows]);
}

const percent = (n: number): string => `${n < 0.1 ? n.toPrecision(2) : n.toFixed(1)} %`;

function bottleneckRows({ config: { architecture }, bottleneck }: Inspection): [string, string][] {
  const { height, width, channels, floats, compression, spatialCompression, receptiveField } = bottleneck;
  const share = Math.min(100, Math.round((100 * receptiveField) / architecture.size));
  const grid = `${height}×${width}×${channels}`;
  const passes = architecture.dense
    ? `${grid}, then ${count(floats)} dense numbers`
    : `${grid} = ${count(floats)} numbers`;
  return [
    ["bottleneck", passes],
    ["compression", `${compression.toFixed(1)} values of the picture for each number (${percent(bottleneck.percent)})`],
    ["", `${count(spatialCompression)} pixels for each cell of the grid`],
    ["a cell sees", `${receptiveField} px, ${share} % of the picture's width`],
    ...(architecture.sampled ? [["sampled", "each number has a mean and a variance"] as [string, string]] : []),
  ];
}

/** What training does otherwise than judging. */
function trainingRows(config: TrainingConfig): [string, string][] {
  const { identities, poses, apart, warp } = config;
  const trained = identities.map((identity) => `${identity} ${trainedPoses(config, identity)}`).join(", ");
  return [
    ...(apart ? [["poses", `in training ${trained}; judged on ${poses}`] as [string, string]] : []),
    ...(warp
      ? [["warp", `${warp} of the picture's width, of what the encoder sees in training`] as [string, string]]
      : []),
  ];
}

function memoryRows({ memory }: Inspection): [string, string][] {
  const { total, activations, parameters, constants, adapter, fits, reason, largestBatch, batch } = memory;
  const { name, kind, free, memory: whole, largestBinding } = adapter;
  const has =
    free === null || whole === null
      ? "its memory is not known: Dawn does not tell"
      : `${memoryText(free)} free of ${memoryText(whole)} of the machine`;
  return [
    ["memory", `${memoryText(total)}, planned:`],
    ["", `${memoryText(activations).padStart(12)}  activations and their gradients`],
    ["", `${memoryText(parameters).padStart(12)}  parameters, gradients and Adam's moments`],
    ["", `${memoryText(constants).padStart(12)}  constants and inputs`],
    ["adapter", `${name} (${kind})`],
    ["", `binds at most ${memoryText(largestBinding)}; ${has}`],
    [
      `batch ${batch}`,
      fits ? (free === null ? "fits the adapter's buffers and bindings" : "fits") : `does not fit: ${reason}`,
    ],
    [
      "largest batch",
      largestBatch === null ? "not known" : largestBatch ? `${count(largestBatch)} fit` : "not even 2 fit",
    ],
  ];
}

/** The inspection in words, at most 100 columns wide where numbers allow. */
export function inspectionText(inspection: Inspection): string {
  const { preset, config, parameters, flopsPerStep } = inspection;
  const { architecture, identities, batch } = config;
  const decoders = `${identities.length} decoders, ${identities.join(" and ")}`;
  const head = `${preset}: ${inputText(architecture)} → ${codeText(architecture)} → ${architecture.size}×${architecture.size}×3; ${decoders}`;
  const rows: [string, string][] = [
    ...bottleneckRows(inspection),
    ["parameters", count(parameters)],
    ...trainingRows(config),
    ["a step", `${large(flopsPerStep)}FLOP, batch ${batch} of each identity, forward, backward and update`],
    ...memoryRows(inspection),
  ];
  const width = Math.max(...rows.map(([label]) => label.length));
  const list = rows.map(([label, value]) => `${label.padEnd(width)}  ${value}`).join("\n");
  const kernels = inspection.kernels ? `\n\n${kernelTable(inspection.kernels)}` : "";
  return `${head}\n\n${layerTable(inspection)}\n\n${list}${kernels}`;
}
