import { Command } from "commander";
import type { AdapterKind } from "../engine/gpu.js";
import { conv2d } from "../engine/ops/conv2d.js";
import { constant } from "../engine/ops/leaf.js";
import { compile } from "../engine/program.js";
import { openGpu } from "../platform/node.js";
import { type AdapterReport, inspectAdapters } from "../platform/report.js";

/** What a kernel did on an adapter. */
type KernelCheck = { ok: true; milliseconds: number; worst: number } | { ok: false; reason: string };

type Finding = AdapterReport & { kernel?: KernelCheck };

export function doctorCommand(): Command {
  return new Command("doctor")
    .description(
      "Shows which adapters this machine has, runs a kernel on each and checks it, and says what to install.",
    )
    .option("--json", "print JSON", false)
    .addHelpText("after", "\nExamples:\n  shibori doctor\n  shibori doctor --json")
    .action(doctor);
}

async function doctor({ json }: { json: boolean }): Promise<void> {
  const findings: Finding[] = [];
  for (const report of await inspectAdapters()) {
    findings.push(report.usable ? { ...report, kernel: await runKernel(report.kind, report.name) } : report);
  }
  const working = findings.filter((f) => f.kernel?.ok);
  if (json) console.log(JSON.stringify({ adapters: findings, working: working.length > 0 }, null, 2));
  else console.log(findings.map(describe).join("\n\n"));
  if (working.length === 0) {
    const remedies = findings.map((f) => (f.usable ? undefined : f.remedy)).filter((r) => r !== undefined);
    if (!json) console.log(`\nNothing works here. To mend it: ${remedies[0] ?? "see the reasons above"}.`);
    process.exitCode = 1;
  } else if (!json) {
    console.log(
      `\nshibori uses ${working[0].usable ? working[0].name : ""} (${working[0].kind}) unless told otherwise.`,
    );
  }
}

/** A 3×3 convolution of 5 to 7 channels, against the same sum in float64. */
async function runKernel(kind: AdapterKind, name: string): Promise<KernelCheck> {
  const [size, ci, co] = [9, 5, 7];
  const numbers = (count: number, step: number) => Float32Array.from({ length: count }, (_, i) => Math.sin(i * step));
  const x = numbers(size * size * ci, 0.7);
  const w = numbers(9 * ci * co, 1.3);
  try {
    const gpu = await openGpu({ adapter: kind === "hardware" || kind === "embedded" ? kind : name });
    const y = () => conv2d(constant(x, [1, size, size, ci]), constant(w, [3, 3, ci, co]), { padding: 1 });
    const program = await compile(gpu, () => ({ y: y() }));
    const begin = performance.now();
    await program.run();
    const made = await program.read("y");
    const milliseconds = performance.now() - begin;
    gpu.destroy();
    let worst = 0;
    for (let at = 0; at < made.length; at++) {
      const [o, column, row] = [at % co, Math.floor(at / co) % size, Math.floor(at / (co * size))];
      let sum = 0;
      for (let tap = 0; tap < 9; tap++) {
        const [iy, ix] = [row + Math.floor(tap / 3) - 1, column + (tap % 3) - 1];
        if (iy < 0 || iy >= size || ix < 0 || ix >= size) continue;
        for (let c = 0; c < ci; c++) sum += x[(iy * size + ix) * ci + c] * w[(tap * ci + c) * co + o];
      }
      worst = Math.max(worst, Math.abs(made[at] - sum));
    }
    // 45 products of numbers up to 1: c · K · 2⁻²⁴ · Σ|terms| with c = 1.
    const bound = 45 * 2 ** -24 * 45;
    if (worst <= bound) return { ok: true, milliseconds, worst };
    return { ok: false, reason: `the kernel's result is off by ${worst}, allowed ${bound}` };
  } catch (error) {
    return { ok: false, reason: (error as Error).message };
  }
}

function describe(finding: Finding): string {
  const title = finding.kind === "software" ? "software (installed CPU driver)" : finding.kind;
  if (!finding.usable) return `${title}: none\n  why: ${finding.reason}\n  to get it: ${finding.remedy}`;
  const { name, driver, vendor, architecture, features, limits, kernel, subgroupMinSize, subgroupMaxSize } = finding;
  const mebibytes = (n: number) => `${Math.floor(n / 2 ** 20)} MiB`;
  const worked = kernel?.ok
    ? `convolution right (worst error ${kernel.worst.toExponential(1)}, ${kernel.milliseconds.toFixed(1)} ms)`
    : `FAILED: ${kernel?.reason}`;
  const rows: [string, string][] = [
    ["driver", driver || "unnamed"],
    ["vendor", [vendor, architecture].filter(Boolean).join(", ") || "unnamed"],
    ["kernel", worked],
    ["subgroups", features.includes("subgroups") ? `${subgroupMinSize} to ${subgroupMaxSize} lanes` : "none"],
    ["f16", features.includes("shader-f16") ? "yes" : "no"],
    ["largest binding", mebibytes(limits.maxStorageBufferBindingSize)],
    ["largest buffer", mebibytes(limits.maxBufferSize)],
    [
      "workgroup",
      `${limits.maxComputeInvocationsPerWorkgroup} invocations, ${limits.maxComputeWorkgroupStorageSize} bytes`,
    ],
    ["features", features.join(", ")],
  ];
  return `${title}: ${name}\n${rows.map(([label, value]) => `  ${label.padEnd(16)} ${value}`).join("\n")}`;
}
