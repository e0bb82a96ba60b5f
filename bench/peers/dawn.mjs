/**
 * Gives the peers, which ask `navigator.gpu` for their adapter, the one that ours runs on: Dawn's instance that found it
 * (src/platform/dawn.ts keeps all of them on globalThis) with the same driver and the same options. To be called before
 * they are imported.
 * @param {import("../../dist/index.js").Gpu} gpu
 */
export function shareAdapter(gpu) {
  const dawn = globalThis.shiboriDawnInstances.at(-1);
  const value = { gpu: dawn, userAgent: "node", hardwareConcurrency: 1 };
  // From node 21 on there is a navigator, without a gpu.
  Object.defineProperty(globalThis, "navigator", { value, configurable: true });
  return (device) => {
    const [found, wanted] = [device.adapterInfo, gpu.adapter.info].map((info) => `${info.device} ${info.description}`);
    if (found !== wanted) throw new Error(`it opened another adapter (${found}) than ours (${wanted})`);
  };
}
