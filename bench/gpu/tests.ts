/**
 * Runs the bundled tests without npm: `node dist-gpu/tests.mjs [PART-OF-A-NAME ...]`. Each file in a process of its own,
 * with a GPU device of its own, as vitest does; SHIBORI_ADAPTER chooses the adapter. Writes into a temporary folder
 * alone. Exit code 1 if a test fails.
 */
import { fork } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Outcome } from "./testFile.js";

const HERE = fileURLToPath(new URL(".", import.meta.url));
/** More would keep each other waiting for the one GPU. */
const WORKERS = Math.min(4, availableParallelism());

const temporary = mkdtempSync(join(tmpdir(), "shibori-tests-"));
const env = {
  ...process.env,
  NO_COLOR: "1",
  SHIBORI_TUNE: "off",
  SHIBORI_CACHE: join(temporary, "cache"),
  TMPDIR: temporary,
};

/** Runs a file. What it printed comes along; Dawn's native warnings only where they may explain an end. */
function run(file: string): Promise<Outcome & { printed: string }> {
  return new Promise((resolve) => {
    const child = fork(join(HERE, "test-file.mjs"), [join(HERE, file)], {
      ...{ env, cwd: temporary, execArgv: ["--enable-source-maps"], stdio: ["ignore", "pipe", "pipe", "ipc"] },
    });
    let printed = "";
    let complaints = "";
    let outcome: Outcome | undefined;
    child.stdout?.on("data", (text) => {
      printed += text;
    });
    child.stderr?.on("data", (text) => {
      complaints += text;
    });
    child.on("message", (message) => {
      outcome = message as Outcome;
    });
    child.on("close", (code, signal) => {
      if (outcome && code === 0) return resolve({ ...outcome, printed });
      const { passed = 0, failed = 0, skipped = 0, failures = [] } = outcome ?? {};
      const ended = `its process ended with ${signal ?? `exit code ${code}`}\n${complaints}`;
      resolve({ passed, failed: failed + 1, skipped, failures: [...failures, ended], printed });
    });
  });
}

async function main(parts: readonly string[]): Promise<number> {
  const all = readdirSync(HERE).filter((name) => /^test-.*\.mjs$/.test(name) && name !== "test-file.mjs");
  const files = all.filter((name) => parts.length === 0 || parts.some((part) => name.includes(part)));
  if (files.length === 0) {
    console.error(`tests: no file of tests has ${parts.join(" or ")} in its name; there are ${all.join(", ")}`);
    return 2;
  }
  const begin = performance.now();
  const total = { passed: 0, failed: 0, skipped: 0 };
  const failures: string[] = [];
  const waiting = [...files];
  const work = async () => {
    for (let file = waiting.shift(); file; file = waiting.shift()) {
      const since = performance.now();
      const { printed, failures: own, ...counts } = await run(file);
      for (const kind of ["passed", "failed", "skipped"] as const) total[kind] += counts[kind];
      const name = file.slice("test-".length, -".mjs".length);
      const seconds = ((performance.now() - since) / 1e3).toFixed(1);
      console.log(`${counts.failed ? "FAIL" : "ok  "} ${name.padEnd(32)} ${textOf(counts)}, ${seconds} s`);
      if (printed.trim()) console.log(printed.trim().replaceAll(/^/gm, "       "));
      failures.push(...own.map((text) => `FAIL ${name} > ${text}`));
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, work));
  if (failures.length) console.log(`\n${failures.join("\n\n")}\n`);
  console.log(`${files.length} files: ${textOf(total)}, ${((performance.now() - begin) / 1e3).toFixed(0)} s`);
  return total.failed ? 1 : 0;
}

const textOf = ({ passed, failed, skipped }: Pick<Outcome, "passed" | "failed" | "skipped">): string =>
  [`${passed} passed`, failed && `${failed} FAILED`, skipped && `${skipped} skipped`].filter(Boolean).join(", ");

process.on("exit", () => rmSync(temporary, { recursive: true, force: true }));
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
process.exitCode = await main(process.argv.slice(2));
