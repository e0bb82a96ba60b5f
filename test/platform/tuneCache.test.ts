import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Timing } from "../../src/engine/tuner.js";
import { type TunedFor, TuneFile, tunedFor } from "../../src/platform/tuneCache.js";
import { gpu } from "../gpu.js";

const house = mkdtempSync(join(tmpdir(), "shibori-tune-"));
let count = 0;
let cache: string;
let said: string[];
const open = (key: TunedFor = KEY) => new TuneFile(key, (line) => said.push(line));

beforeEach(() => {
  cache = join(house, `cache-${count++}`);
  vi.stubEnv("SHIBORI_CACHE", cache);
  said = [];
});
afterEach(() => vi.unstubAllEnvs());
afterAll(() => rmSync(house, { recursive: true }));

const KEY: TunedFor = {
  ...{ adapter: "Card", driver: "Driver 1.0", subgroupSize: 32 },
  ...{ shibori: "0.1.0", dawn: "0.6.2", options: "" },
};
const timing = (choice: string): Timing => ({ choice, ms: { a: 1, b: 2.5 }, kernels: "f".repeat(64) });
const of = (...names: string[]) => new Map(names.map((name) => [name, timing(name)]));

describe("the tuner's cache", () => {
  it("brings back what it was given, in one file of the user's cache", () => {
    const first = open();
    expect(first.get("x")).toBeUndefined();
    expect(first.saved).toBe(false);
    first.set(of("x", "__proto__"));
    expect(first.get("x")).toEqual(timing("x"));
    expect(first.saved).toBe(true);
    expect(readdirSync(join(cache, "kernels")).map((name) => join(cache, "kernels", name))).toEqual([first.path]);
    const second = open();
    expect(second.get("x")).toEqual(timing("x"));
    expect(second.get("y")).toBeUndefined();
    expect(second.get("toString")).toBeUndefined();
    expect(said).toEqual([]);
  });

  it.each<[string, Partial<TunedFor>]>([
    ["adapter", { adapter: "Other card" }],
    ["driver", { driver: "Driver 1.1" }],
    ["subgroup size", { subgroupSize: 64 }],
    ["version of shibori", { shibori: "0.1.1" }],
    ["version of Dawn", { dawn: "0.6.3" }],
    ["option for Dawn", { options: "enable-dawn-features=disable_robustness" }],
    ["CPU", { cpu: "2 × Some CPU" }],
  ])("knows nothing of another %s", (_, change) => {
    open().set(of("x"));
    const other = open({ ...KEY, ...change });
    expect(other.get("x")).toBeUndefined();
    other.set(of("y"));
    expect(open().get("y")).toBeUndefined();
    expect(open().get("x")).toEqual(timing("x"));
    expect(said).toEqual([]);
  });

  it("of this adapter names all that its speed depends on", () => {
    const key = tunedFor(gpu);
    const { description } = gpu.adapter.info;
    expect(key).toMatchObject({
      adapter: gpu.name,
      driver: description,
      subgroupSize: gpu.subgroupSize,
      dawn: "0.6.2",
    });
    expect(key.shibori).toMatch(/^\d+\.\d+\.\d+$/);
    if (gpu.kind !== "hardware") expect(key.cpu).toMatch(/^\d+ × ./);
    vi.stubEnv("SHIBORI_DAWN", "enable-dawn-features=x");
    expect(tunedFor(gpu).options).toBe("enable-dawn-features=x");
  });

  it("keeps what another process writes meanwhile", () => {
    const [a, b] = [open(), open()];
    expect([a.get("x"), b.get("x")]).toEqual([undefined, undefined]);
    a.set(of("x", "both"));
    b.set(of("y", "both"));
    a.set(of("z"));
    const after = open();
    for (const name of ["x", "y", "z", "both"]) expect(after.get(name)).toEqual(timing(name));
    expect(readdirSync(join(cache, "kernels"))).toHaveLength(1);
  });
});

describe("a file that is damaged", () => {
  const CONTENTS: [string, string][] = [
    ["empty", ""],
    ["cut off", '{"for": {"adapter"'],
    ["of other fields", '{"timings": {}}'],
    ["not an object", "null"],
    ["with a time that is none", JSON.stringify({ for: KEY, timings: { x: { ...timing("x"), ms: { a: null } } } })],
    ["with a time of nothing", JSON.stringify({ for: KEY, timings: { x: { ...timing("x"), ms: { a: 0 } } } })],
  ];

  it.each(CONTENTS)("(%s) is said in one line, and made anew", (_, text) => {
    const { path } = open();
    writeFileSync(path!, text);
    const file = open();
    expect(file.get("x")).toBeUndefined();
    expect(file.get("y")).toBeUndefined();
    file.set(of("y"));
    expect(said).toEqual([`${path} is damaged; kernels are timed anew`]);
    expect(open().get("y")).toEqual(timing("y"));
    expect(said).toHaveLength(1);
  });

  it("(another adapter's, renamed) is not believed", () => {
    const foreign = open({ ...KEY, adapter: "Other card" });
    foreign.set(of("x"));
    const { path } = open();
    writeFileSync(path!, readFileSync(foreign.path!));
    expect(open().get("x")).toBeUndefined();
    expect(said).toEqual([`${path} is of another adapter or version; kernels are timed anew`]);
  });
});

describe("where nothing can be written", () => {
  it("that is said in one line, and what was measured still counts", () => {
    writeFileSync(cache, "a file in the way");
    const file = open();
    expect(file.get("x")).toBeUndefined();
    file.set(of("x"));
    expect(file.get("x")).toEqual(timing("x"));
    expect({ path: file.path, saved: file.saved }).toEqual({ path: undefined, saved: false });
    expect(said).toHaveLength(1);
    expect(said[0]).toMatch(
      /^no folder for the tuner's cache: .*; set SHIBORI_CACHE to a folder that you can write to; kernels will be timed again next time$/,
    );
  });

  it("a folder in the file's place is said when it is read and when it is written", () => {
    mkdirSync(open().path!);
    const file = open();
    expect(file.get("x")).toBeUndefined();
    file.set(of("x"));
    expect(file.saved).toBe(false);
    expect(said).toEqual([
      expect.stringMatching(/^cannot read .*\.json: it is a folder, not a file; kernels are timed anew$/),
      expect.stringMatching(
        /^cannot write .*\.json: it is a folder, not a file; kernels will be timed again next time$/,
      ),
    ]);
  });
});
