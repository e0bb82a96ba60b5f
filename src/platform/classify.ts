/** Whether an adapter computes on a GPU or on the CPU. Dawn marks CPU drivers; the names guard against other versions. */
export function classify(info: GPUAdapterInfo): "hardware" | "software" {
  const { vendor, architecture, device, description } = info;
  const names = /llvmpipe|lavapipe|swiftshader|\bwarp\b|basic render/i;
  const software = info.isFallbackAdapter || names.test([vendor, architecture, device, description].join(" "));
  return software ? "software" : "hardware";
}
