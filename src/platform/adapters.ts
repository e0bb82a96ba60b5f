import { UserError } from "../engine/errors.js";
import type { AdapterKind } from "../engine/gpu.js";
import { classify } from "./classify.js";
import { type DawnOptions, listInstalled, type OpenedAdapter, openEmbedded, openInstalled } from "./dawn.js";
import { whyNoEmbedded } from "./embedded.js";

export interface SelectedAdapter extends OpenedAdapter {
  kind: AdapterKind;
  /** One clause on why this adapter and no other. */
  note: string;
}

export const EMBEDDED_NAME = "SwiftShader";

/**
 * Chooses an adapter: hardware before an installed software driver (lavapipe, WARP) before the embedded SwiftShader.
 *
 * @param spec `auto`, `hardware`, `software`, `embedded`, or a part of an adapter's name in any case.
 * @throws UserError naming what was asked for, what there is, and what to do.
 */
export async function selectAdapter(spec: string, options: DawnOptions = {}): Promise<SelectedAdapter> {
  const wanted = spec.trim().toLowerCase() || "auto";
  if (wanted === "embedded") return embedded(options, "asked for");
  if (wanted === "auto" || wanted === "hardware") {
    const opened = await openInstalled(options);
    const kind = opened && classify(opened.adapter.info);
    if (opened && kind === "hardware") return { ...opened, kind, note: "hardware" };
    if (wanted === "hardware") return unavailable(spec);
    if (opened) return { ...opened, kind: "software", note: "no hardware adapter was found" };
    try {
      return await embedded(options, "neither a hardware adapter nor a usable installed driver was found");
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      throw new UserError(`no GPU and no usable driver was found, and ${error.message}; or ${remedy("software")}`);
    }
  }
  for (const name of await listInstalled()) {
    if (wanted !== "software" && !name.toLowerCase().includes(wanted)) continue;
    const opened = await openInstalled(options, name);
    const kind = opened && classify(opened.adapter.info);
    if (opened && kind && (wanted !== "software" || kind === "software")) return { ...opened, kind, note: "asked for" };
  }
  if (EMBEDDED_NAME.toLowerCase().includes(wanted)) return embedded(options, "asked for");
  return unavailable(spec);
}

/** What to install to get an adapter of this kind, as an imperative clause. */
export function remedy(kind: "hardware" | "software"): string {
  if (process.platform !== "linux" || kind === "hardware") {
    return `install your GPU's ${process.platform === "linux" ? "Vulkan " : ""}driver`;
  }
  // Dawn insists on shaderUniformBufferArrayDynamicIndexing, which the llvmpipe of Mesa 22.3 lacks.
  return (
    "install your distribution's Mesa Vulkan driver, e.g. apt install mesa-vulkan-drivers libvulkan1 " +
    "(Debian 12's own Mesa 22.3 is too old, the one in its backports is not)"
  );
}

async function embedded(options: DawnOptions, note: string): Promise<SelectedAdapter> {
  return { ...(await openEmbedded(options)), kind: "embedded", note };
}

async function unavailable(spec: string): Promise<never> {
  const installed = await listInstalled();
  const reason = whyNoEmbedded();
  const names = [...installed, ...(reason ? [] : [`${EMBEDDED_NAME} (embedded)`])];
  const here = names.length > 0 ? `here are: ${names.join("; ")}` : `here is none (${reason})`;
  const todo =
    spec.trim().toLowerCase() === "hardware"
      ? remedy("hardware")
      : "give auto, hardware, software, embedded, or a part of a name";
  throw new UserError(`no adapter "${spec}" was found; ${here}; ${todo} (--adapter, SHIBORI_ADAPTER)`);
}
