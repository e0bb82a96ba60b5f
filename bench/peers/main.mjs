// `npm run bench:peers`: Shibori, TensorFlow.js and jax-js side by side on one adapter. See README.md.
import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg } from "node:os";
import { benchmarks } from "./benchmarks.mjs";
import { installedPeers } from "./installed.mjs";
import { qualify, summarise, timeInTurns } from "./measure.mjs";
import { chosen, HELP, LIMIT_MS, parseOptions } from "./options.mjs";
import { table } from "./table.mjs";
import { userError } from "./userError.mjs";

try {
  await main();
} catch (error) {
  console.error(error.name === "UserError" ? error.message : error);
  process.exit(error.name === "UserError" ? 2 : 1);
}

async function main() {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) return console.log(HELP);
  const all = benchmarks();
  const wanted = chosen(
    all.map(({ id }) => id),
    options.only,
  );
  const versions = installedPeers(new URL("./", import.meta.url));

  const { adapterLine, openGpu } = await import("../../dist/node.js");
  const gpu = await openGpu({ adapter: options.adapter });
  console.log(adapterLine(gpu));
  const libraries = await openLibraries(gpu, versions);
  console.log(libraries.map(({ name, version }) => `${name} ${version}`).join(", "));
  if (gpu.kind !== "hardware" && loadavg()[0] > availableParallelism()) {
    console.log(`other programs keep this CPU busy (load ${loadavg()[0].toFixed(1)}): judge by CPU time`);
  }

  const results = [];
  if (options.json) save(options, gpu, libraries, results);
  for (const benchmark of all.filter(({ id }) => wanted.includes(id))) {
    console.log(`\n${benchmark.id}: ${benchmark.what}`);
    const rows = await measure(benchmark, libraries, gpu, options.rounds);
    console.log(table(rows, { cpu: gpu.kind !== "hardware" }).join("\n"));
    results.push({ id: benchmark.id, what: benchmark.what, flops: benchmark.flops, libraries: rows });
    if (options.json) save(options, gpu, libraries, results);
  }
  gpu.destroy();
  // The peers keep their devices and timers.
  process.exit();
}

/** Ours first. The peers look for `navigator.gpu` while they are imported. */
async function openLibraries(gpu, versions) {
  const { shareAdapter } = await import("./dawn.mjs");
  const { shibori } = await import("./shibori.mjs");
  const { tensorflow } = await import("./tensorflow.mjs");
  const { jaxJs } = await import("./jax.mjs");
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  const { watchLaunches } = await import("./launches.mjs");
  watchLaunches();
  const checkAdapter = shareAdapter(gpu);
  const peers = [await tensorflow(versions["@tensorflow/tfjs"]), await jaxJs(versions["@jax-js/jax"])];
  for (const peer of peers) {
    checkAdapter(peer.device);
    // A command that Dawn refuses takes no time: such a peer must not be timed.
    peer.device.addEventListener("uncapturederror", (event) => {
      event.preventDefault();
      peer.error ??= event.error.message.split("\n")[0];
    });
  }
  return [shibori(gpu, version), ...peers];
}

/** The rows of one benchmark, ours first. @throws Error if our own result is wrong */
async function measure(benchmark, libraries, gpu, rounds) {
  const { make, checkOurs, checkPeer } = benchmark.prepare();
  let ours;
  const contestants = [];
  for (const library of libraries) {
    library.error = undefined;
    const check = (result) => {
      if (library.error) throw new Error(library.error);
      if (library !== libraries[0]) return checkPeer(result, ours);
      ours = result;
      return checkOurs(result);
    };
    progress(`${library.name}: compiling and comparing …`);
    const contestant = await qualify(library.name, () => make(library), check, gpu.kind !== "hardware");
    if (library === libraries[0] && contestant.wrong) throw new Error(`${benchmark.id}: ours is ${contestant.wrong}`);
    contestants.push(contestant);
  }
  progress("timing …");
  const times = await timeInTurns(contestants, { rounds, limitMs: LIMIT_MS });
  progress("");
  gpu.check();
  if (contestants[0].wrong) throw new Error(`${benchmark.id}: ours ${contestants[0].wrong}`);
  const rows = contestants.map((contestant, i) => {
    const { error } = libraries[i];
    if (error) return summarise({ ...contestant, wrong: `failed: ${error}` });
    return summarise(contestant, times.get(contestant), times.get(contestants[0]), benchmark.flops);
  });
  for (const { work } of contestants) work?.dispose();
  return rows;
}

/** One line that the next replaces, for who sits at a terminal. */
function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text && `  ${text}`}`);
}

function save({ json, rounds }, gpu, libraries, benchmarks) {
  const { vendor, architecture, device, description } = gpu.adapter.info;
  const about = {
    date: new Date().toISOString(),
    command: ["npm run bench:peers --", ...process.argv.slice(2)].join(" "),
    adapter: { kind: gpu.kind, vendor, architecture, device, driver: description },
    node: process.version,
    cpus: `${availableParallelism()} × ${cpus()[0]?.model ?? "unknown"}`,
    load: loadavg()[0],
    versions: Object.fromEntries(libraries.map(({ name, version }) => [name, version])),
    rounds,
  };
  try {
    writeFileSync(json, `${JSON.stringify({ ...about, benchmarks }, undefined, 1)}\n`);
  } catch (error) {
    throw userError(`cannot write --json ${json}: ${error.message}`);
  }
}
