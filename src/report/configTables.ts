/** The configuration of a run, as tables. */
import { trainedPoses } from "../faceswap/config.js";
import { PRESETS } from "../faceswap/presets.js";
import type { Machine, RunConfig } from "../storage/runConfig.js";
import { type Content, type Html, html } from "./html.js";
import { count } from "./numbers.js";

type Row = readonly [name: string, value: Content];

export function table(caption: string, rows: readonly Row[]): Html {
  const lines = rows.map(([name, value]) => html`<tr><th scope="row">${name}</th><td>${value}</td></tr>\n`);
  return html`<table class="facts"><caption>${caption}</caption><tbody>
${lines}</tbody></table>
`;
}

export function architectureText(architecture: RunConfig["architecture"]): string {
  const { size, input, stages, strides, kernel, mid, code, dense, upsampling, sampled } = architecture;
  return [
    `${size}×${size} pixels${input ? `, of which the encoder sees ${input}×${input}` : ""}`,
    stages.length ? `stages of ${stages.join(", ")} channels` : "no stages",
    ...(strides ? [`of strides ${strides.join(", ")}`] : []),
    `bottleneck ${mid}, ${code}`,
    ...(kernel ? [`${kernel}×${kernel} kernels in the encoder`] : []),
    ...(dense ? [`dense code of ${dense}`] : []),
    ...(sampled ? ["the code is sampled"] : []),
    ...(upsampling ? [`upsampling: ${upsampling}`] : []),
  ].join("; ");
}

/** A field's value in words: losses with their weights, names one after the other. */
function words(value: unknown): string {
  if (Array.isArray(value)) return value.join(", ");
  if (typeof value !== "object" || value === null) return String(value);
  const parts = Object.entries(value).map(([name, weight]) => `${weight} · ${name}`);
  return parts.join(" + ");
}

/** What decides a run, each with the preset's own value where the command line replaced it. */
function recipe(config: RunConfig): Row[] {
  const preset = Object.hasOwn(PRESETS, config.preset) ? PRESETS[config.preset] : undefined;
  const show = (name: keyof RunConfig, value: unknown): Content => {
    const own = preset && name in preset ? (preset as Record<string, unknown>)[name] : undefined;
    if (!Object.hasOwn(config.overrides, name) || own === value) return words(value);
    return html`<mark>${words(value)}</mark>${own !== undefined && ` (preset: ${words(own)})`}`;
  };
  const row = (label: string, name: keyof RunConfig): Row => [label, show(name, config[name])];
  return [
    ["preset", preset ? html`${config.preset}: ${preset.description}` : config.preset],
    row("steps", "steps"),
    row("batch (pictures per identity and step)", "batch"),
    row("learning rate", "rate"),
    row("seed (weights and training pictures)", "seed"),
    row("losses", "lossWeights"),
    ...(config.lossWeights.latent === undefined ? [] : [row("latent statistics, per", "latentStatistics")]),
    ...(config.regionWeight || Object.hasOwn(config.overrides, "regionWeight")
      ? [row("extra weight of eyes, brows and mouth", "regionWeight")]
      : []),
    ...(config.warp ? [row("warp of what the encoder sees, part of the width", "warp")] : []),
    ["steps between previews", count(config.saveEvery)],
  ];
}

function data(config: RunConfig): Row[] {
  const { data: from, pair, poses, identities } = config;
  const print: Row = ["fingerprint (SHA-256)", html`<code>${from.fingerprint}</code>`];
  const avatars: Row[] = [
    ["pair", Object.hasOwn(config.overrides, "pair") ? html`<mark>${pair}</mark>` : pair],
    [
      config.apart ? "poses to judge by" : "poses",
      Object.hasOwn(config.overrides, "poses") ? html`<mark>${poses}</mark>` : poses,
    ],
    ...(config.apart
      ? identities.map((name): Row => [`poses to train ${name} by`, html`<mark>${trainedPoses(config, name)}</mark>`])
      : []),
  ];
  if (from.kind === "avatars") return [["pictures", "avatars, drawn anew every step"], ...avatars, print];
  return [
    ...Object.entries(from.folders).map(([name, path]): Row => [name, html`<code>${path}</code>`]),
    ["pictures of all", `${count(from.training)} trained on, ${count(from.heldOut)} kept for judging`],
    ["true swap", from.trueSwap ? "known: drawn by shibori avatars" : "not known"],
    ...(from.trueSwap ? avatars : []),
    print,
  ];
}

function network({ network: facts, architecture, identities, lpips, overrides }: RunConfig): Row[] {
  const text = architectureText(architecture);
  return [
    ["architecture", Object.hasOwn(overrides, "architecture") ? html`<mark>${text}</mark>` : text],
    ["decoders", identities.join(", ")],
    ...(lpips ? [["weights of LPIPS (SHA-256)", html`<code>${lpips.fingerprint}</code>`] as const] : []),
    ["code", `${facts.code} (${count(facts.codeLength)} numbers)`],
    ["parameters", count(facts.parameters)],
    ["a training step", `${(facts.flopsPerStep / 1e9).toFixed(3)} GFLOP, ${count(facts.dispatchesPerStep)} dispatches`],
  ];
}

function machine({ adapter, kernels, versions }: Machine): Row[] {
  // A choice is kept by signature, "op(shapes) attributes": said here is which kernels each op has in use.
  const used = new Map<string, Set<string>>();
  for (const [signature, choice] of Object.entries(kernels.choices)) {
    const op = signature.split("(")[0];
    used.set(op, (used.get(op) ?? new Set()).add(choice));
  }
  return [
    ["adapter", `${adapter.name} (${adapter.kind})`],
    ["driver", adapter.driver || "unnamed"],
    ["subgroups", adapter.subgroupSize ? `${adapter.subgroupSize} lanes` : "none"],
    ["kernels", [...used].map(([op, names]) => `${op}: ${[...names].join(", ")}`).join("; ") || "no choice"],
    ["program (SHA-256)", html`<code>${kernels.program}</code>`],
    ["versions", `shibori ${versions.shibori}, node ${versions.node}, Dawn (webgpu) ${versions.dawn}`],
  ];
}

export function configTables(config: RunConfig): Html[] {
  const later = (config.continued ?? []).map((each) =>
    table(`Machine after step ${count(each.after)}: the bits differ from an uninterrupted run's`, machine(each)),
  );
  return [
    table("Recipe", recipe(config)),
    table("Network", network(config)),
    table("Data", data(config)),
    table(config.continued?.length ? "Machine at the beginning" : "Machine", machine(config)),
    ...later,
    table(
      "Losses",
      Object.entries(config.losses).map(([name, formula]) => [name, formula]),
    ),
  ];
}
