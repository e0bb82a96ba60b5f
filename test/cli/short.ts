import { openGpu } from "../../src/platform/node.js";

const gpu = await openGpu();
export const embedded = gpu.kind === "embedded";
gpu.destroy();

/** Every start takes the embedded adapter ten seconds, most of them to compile: there the whole of it is for test:full. */
export const short = embedded && !process.env.SHIBORI_FULL;

/** A small network that is like the demo's; when there is little time one whose few kernels compile fastest. */
export const SMALL = short ? { size: 32, stages: [4], mid: 4, code: 4 } : { size: 32, stages: [16] };

/** The same as options of the command line. */
export const SET_SMALL = `--set ${Object.entries(SMALL)
  .map(([field, value]) => `architecture.${field}=${JSON.stringify(value)}`)
  .join(" ")}`;
