/** What bench/gpu.sh has measured, on one page of Markdown: `node dist-gpu/summary.mjs FOLDER`. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { BenchRecord } from "../../src/bench/record.js";
import { spreadOf } from "../../src/bench/statistics.js";
import { short, time } from "../../src/report/numbers.js";
import type { Climb } from "../kernels/climb.js";
import type { Figures } from "../kernels/figures.js";
import { LADDERS } from "../kernels/ladders.js";

const MODES = ["fp32", "tf32", "fp16", "bf16"] as const;

/** What bench/peers/torch_step.py writes. */
interface TorchRecord {
  readonly torch: string;
  readonly cuda: string | null;
  readonly cudnn: number | null;
  readonly device: string;
  readonly preset: string;
  readonly leftOut: readonly string[];
  readonly channelsLast: boolean;
  readonly modes: readonly { readonly mode: (typeof MODES)[number]; readonly medianMs?: number }[];
}

/** What bench/kernels/main.ts writes. */
interface LadderRecord {
  readonly climbs: readonly (Climb & { readonly figures: readonly (Figures | null)[] })[];
}

/** @param folder with parts.tsv and what the parts wrote; what is missing is left out */
export function summaryOf(folder: string): string {
  // A part that was stopped may leave half a file.
  const read = <T>(name: string): T[] => {
    try {
      return [JSON.parse(readFileSync(join(folder, name), "utf8"))];
    } catch {
      return [];
    }
  };
  const named = (start: string) =>
    readdirSync(folder).filter((name) => name.startsWith(start) && name.endsWith(".json"));
  const benches = named("bench-").flatMap((name) => read<BenchRecord>(name));
  const peers = named("torch-").flatMap((name) => read<TorchRecord>(name));
  const climbs = named("ladder-").flatMap((name) => read<LadderRecord>(name).flatMap((record) => record.climbs));
  return [
    ...machineLines(benches, peers),
    ...partLines(folder),
    ...stepLines(benches, peers),
    ...roofLines(benches),
    ...ladderLines(climbs),
  ].join("\n");
}

function machineLines([bench]: readonly BenchRecord[], [peer]: readonly TorchRecord[]): string[] {
  if (!bench) return ["# Shibori: no step was timed", ""];
  const { adapter, versions, system, processor, load, dawnOptions } = bench.machine;
  return [
    `# Shibori on ${adapter.name}`,
    "",
    `- adapter: ${adapter.name}, ${adapter.driver || "driver unnamed"} (${adapter.kind})`,
    `- machine: ${processor.count} × ${processor.model}, ${system}; load ${load.map((n) => n.toFixed(1)).join(", then ")}`,
    `- versions: ${Object.entries(versions)
      .map((each) => each.join(" "))
      .join(", ")}${dawnOptions && `; options ${dawnOptions}`}`,
    peer
      ? `- beside it: PyTorch ${peer.torch}, CUDA ${peer.cuda ?? "none"}, cuDNN ${peer.cudnn ?? "none"}, on ${peer.device}`
      : "- beside it: nothing",
    `- date: ${bench.date}`,
    "",
  ];
}

function partLines(folder: string): string[] {
  const parts = readFileSync(join(folder, "parts.tsv"), "utf8").trim().split("\n");
  const rows = parts.map((line) => {
    const [name, became, seconds] = line.split("\t");
    // The tests end with their counts; whatever failed, with its reason.
    const said = name === "tests" || became.startsWith("failed") ? lastLine(join(folder, `${name}.txt`)) : "";
    return [name, became, seconds, said.replaceAll("|", "\\|")];
  });
  return ["## What ran", "", ...table([["part", "result", "s", "its last words"], ...rows]), ""];
}

const lastLine = (path: string): string =>
  existsSync(path) ? (readFileSync(path, "utf8").trimEnd().split("\n").at(-1) ?? "") : "";

function stepLines(benches: readonly BenchRecord[], peers: readonly TorchRecord[]): string[] {
  const rows = benches.flatMap(({ steps }) =>
    steps.map(({ preset, batch, flops, times, flopRate }) => {
      const own = peers.filter((peer) => peer.preset === preset);
      const fastest = MODES.map((mode) => fastestOf(own, mode));
      const [fp32] = fastest;
      return [
        ...[preset, String(batch), short(flops / 1e9)],
        `${short(times.wall.median * 1e3)} ±${(spreadOf(times.wall) * 100).toFixed(0)} %`,
        ...[short(times.gpu && times.gpu.median * 1e3), short(flopRate / 1e9)],
        ...fastest.map((found) => (found ? `${short(found.ms)}${found.channelsLast ? "ᶜ" : ""}` : "–")),
        fp32 ? short((times.wall.median * 1e3) / fp32.ms) : "–",
      ];
    }),
  );
  const left = [...new Set(peers.flatMap(({ leftOut }) => leftOut))];
  return [
    "## A training step, in ms",
    "",
    ...table([
      [
        ...["preset", "batch", "GFLOP", "Shibori", "its GPU time", "its GFLOP/s"],
        ...MODES.map((mode) => `PyTorch ${mode}`),
        "Shibori / fp32",
      ],
      ...rows,
    ]),
    "",
    "Shibori computes in float32 and draws its pictures within the step; PyTorch has the same network, losses and batch,",
    "on pictures that stay the same. fp32 is without TF32, fp16 and bf16 are autocast. Of two memory layouts the faster",
    `is shown; ᶜ: channels last. LPIPS has random weights on both sides, which take the same time.${
      left.length ? ` PyTorch leaves out ${left.join(", ")}.` : ""
    }`,
    "",
  ];
}

function fastestOf(peers: readonly TorchRecord[], mode: string): { ms: number; channelsLast: boolean } | undefined {
  const found = peers.flatMap(({ modes, channelsLast }) =>
    modes.flatMap((one) => (one.mode === mode && one.medianMs ? [{ ms: one.medianMs, channelsLast }] : [])),
  );
  return found.sort((a, b) => a.ms - b.ms)[0];
}

function roofLines(benches: readonly BenchRecord[]): string[] {
  const rows = benches.map(({ steps, roofs: { peak, bandwidth, cache, launch } }) => [
    steps.map(({ preset }) => preset).join(", "),
    ...[
      short(peak.rate.most / 1e9),
      short(bandwidth.rate.most / 1e9),
      short(cache.rate.most / 1e9),
      time(launch.least),
    ],
  ]);
  const head = ["measured before", "arithmetic, GFLOP/s", "memory, GB/s", "cache, GB/s", "empty dispatch"];
  return ["## Roofs", "", ...table([head, ...rows]), ""];
}

function ladderLines(climbs: LadderRecord["climbs"]): string[] {
  const rows = climbs.flatMap(({ op, shape, results, figures }) => {
    const timed = results.flatMap(({ rung }, i) => {
      const found = figures[i];
      return found ? [{ rung, ...found }] : [];
    });
    if (timed.length === 0) return [[op, shape, "–", "–", "–", "–", "–", "–"]];
    const [first] = timed;
    const best = timed.reduce((a, b) => (b.ms < a.ms ? b : a));
    const unit = LADDERS.find((ladder) => ladder.op === op)?.limit === "memory" ? "GB/s" : "GFLOP/s";
    return [
      [
        ...[op, shape, short(first.ms), best.rung, short(best.ms), `${short(best.rate)} ${unit}`],
        ...[`${(best.ofRoof * 100).toFixed(0)} %`, short(first.ms / best.ms)],
      ],
    ];
  });
  const head = ["op", "shape", "first rung, ms", "fastest rung", "ms", "rate", "of the roof", "× first"];
  return ["## The ladder of kernels", "", ...table([head, ...rows]), ""];
}

function table([head, ...rows]: readonly (readonly string[])[]): string[] {
  if (rows.length === 0) return ["Nothing was measured."];
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) console.log(summaryOf(process.argv[2]));
