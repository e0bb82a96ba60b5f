import { createHash } from "node:crypto";
import type { Gpu } from "../engine/gpu.js";
import type { Program } from "../engine/program.js";
import { versions } from "../platform/versions.js";
import type { Machine } from "../storage/runConfig.js";

/** Which adapter a device belongs to. */
export const adapterOf = (gpu: Gpu): Machine["adapter"] => ({
  kind: gpu.kind,
  name: gpu.name,
  driver: gpu.adapter.info.description,
  subgroupSize: gpu.subgroupSize,
  options: process.env.SHIBORI_DAWN ?? "",
});

/** What computes this program. */
export function machineOf(gpu: Gpu, program: Program): Machine {
  const dispatches = program.layout.stages.flatMap((stage) => stage.dispatches);
  const text = JSON.stringify(dispatches.map(({ kernel, uniform, groups }) => [kernel.source, uniform, groups]));
  return {
    adapter: adapterOf(gpu),
    kernels: {
      choices: program.choices,
      program: createHash("sha256").update(text).digest("hex"),
    },
    versions: versions(),
  };
}

export const sameAdapter = (a: Machine["adapter"], b: Machine["adapter"]): boolean =>
  a.name === b.name && a.driver === b.driver && a.subgroupSize === b.subgroupSize && a.options === b.options;

/** What of two machines may make their bits differ, in words; empty if nothing does. */
export function differences(before: Machine, now: Machine): string[] {
  const adapter = ({ name, driver, options }: Machine["adapter"]) => [name, driver, options].filter(Boolean).join(", ");
  const found: string[] = [];
  if (!sameAdapter(before.adapter, now.adapter)) {
    found.push(`adapter ${adapter(now.adapter)} instead of ${adapter(before.adapter)}`);
  }
  if (before.versions.dawn !== now.versions.dawn) {
    found.push(`Dawn ${now.versions.dawn} instead of ${before.versions.dawn}`);
  }
  if (before.kernels.program !== now.kernels.program) found.push("other kernels");
  return found;
}
