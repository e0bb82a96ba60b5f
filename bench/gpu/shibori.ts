/** The engine with node's adapters, in one module. */
export * from "../../src/index.js";
export { openGpu } from "../../src/platform/node.js";
