import { existsSync, readFileSync } from "node:fs";
import type { FinalLine, MeasureLine, StepLine, TimeLine } from "../storage/metrics.js";
import { RUN_FILES, type RunFolder } from "../storage/runFolder.js";
import { EventFile } from "../storage/tensorboard.js";

/**
 * The run in TensorBoard's own files. They are made anew from the metrics when a run is continued, so that what was
 * taken back does not stay in them.
 */
export class Board {
  readonly #file: EventFile;

  /** Whether the run has been written for TensorBoard before. */
  static exists = (folder: RunFolder): boolean => existsSync(folder.file(RUN_FILES.tensorboard));

  constructor(folder: RunFolder) {
    this.#file = EventFile.create(folder.file(RUN_FILES.tensorboard), Date.now() / 1e3);
    const { steps, measures, final } = folder.readMetrics();
    const when = wallTimes(folder.readTimes());
    const lines = [...steps, ...measures].sort((a, b) => a.step - b.step);
    this.add(final ? [...lines, final] : lines, when);
    for (const { step, path } of folder.previews()) {
      const png = readFileSync(path);
      if (png.length > HEADER) this.preview(step, png, when);
    }
  }

  /** @param when a step was done, in seconds since 1970; now unless told */
  add(lines: readonly (StepLine | MeasureLine | FinalLine)[], when = now): void {
    const events = lines.map((line) => ({ wallTime: when(line.step), step: line.step, scalars: [...scalars(line)] }));
    this.#file.append(events);
  }

  preview(step: number, png: Uint8Array, when = now): void {
    this.#file.append([{ wallTime: when(step), step, image: { tag: "preview", png, ...sizeOf(png) } }]);
  }
}

const now = (_step: number): number => Date.now() / 1e3;

/** When the steps of earlier sittings were done, as well as the times that were noted tell. */
function wallTimes(lines: readonly TimeLine[]): typeof now {
  let shift = 0;
  const known = lines.map(({ step, seconds, at }) => {
    if (at) shift = Date.parse(at) / 1e3 - seconds;
    return { step, time: seconds + shift };
  });
  return (step) => {
    const after = known.findIndex((point) => point.step >= step);
    if (after <= 0) return known.at(after)?.time ?? now(step); // before the first, or (-1) after the last
    const [a, b] = [known[after - 1], known[after]];
    return a.time + ((step - a.step) / (b.step - a.step)) * (b.time - a.time);
  };
}

/** Bytes up to and with the size of a PNG. */
const HEADER = 24;

/** From the header chunk of a PNG of our own. */
function sizeOf(png: Uint8Array): { width: number; height: number } {
  const view = new DataView(png.buffer, png.byteOffset);
  return { width: view.getUint32(16), height: view.getUint32(20) };
}

function* scalars(line: StepLine | MeasureLine | FinalLine) {
  const [group, values] =
    "loss" in line ? ["losses", line] : "measures" in line ? ["measures", line.measures] : ["measures", line.final];
  for (const [name, value] of Object.entries(values)) {
    if (typeof value === "number" && name !== "step" && name !== "poses") yield { tag: `${group}/${name}`, value };
  }
}
