import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { transformSync } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const sample = readFileSync(join(ROOT, "test/sample/train.ts"), "utf8");

function execute(command: string, args: string[], cwd: string): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(command, args, { cwd, timeout: 300_000 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${command} ${args.join(" ")}: ${error.message}\n${stdout}${stderr}`));
      else resolve(stdout);
    });
  });
}

// Packs a copy, since packing builds, and other tests use this folder's dist meanwhile.
describe.runIf(process.env.SHIBORI_FULL)("the npm package", () => {
  let folder: string;
  let user: string;
  let contents: string[];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "shibori-package-"));
    user = join(folder, "user");
    const copy = join(folder, "copy");
    for (const dir of [user, copy]) mkdirSync(dir);
    for (const name of readdirSync(ROOT)) {
      if (/^(\.|dist$|node_modules$|runs$)/.test(name)) continue;
      cpSync(join(ROOT, name), join(copy, name), { recursive: true });
    }
    symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
    await execute("npm", ["pack", "--pack-destination", folder], copy);
    const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz")) as string;
    contents = (await execute("tar", ["-tzf", join(folder, tarball)], folder)).trim().split("\n");
    writeFileSync(join(user, "package.json"), '{ "private": true, "type": "module" }');
    await execute("npm", ["install", "--prefer-offline", "--no-audit", "--no-fund", join(folder, tarball)], user);
    writeFileSync(join(user, "train.ts"), sample);
  }, 600_000);
  afterAll(() => rmSync(folder, { recursive: true }));

  it("holds what its entry points name, the license, and neither sources nor tests", () => {
    const files = contents.map((path) => path.replace(/^package\//, ""));
    const { exports, bin } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
    const named = [...Object.values(exports).flatMap((entry) => Object.values(entry as object)), ...Object.values(bin)];
    for (const path of named) expect(files).toContain((path as string).replace(/^\.\//, ""));
    expect(files).toContain("LICENSE");
    expect(files.filter((path) => /^(src|test|shaders|bench)\//.test(path))).toEqual([]);
  });

  it("runs the sample of the README", async () => {
    writeFileSync(join(user, "train.js"), transformSync(sample, { loader: "ts" }).code);
    const printed = await execute(process.execPath, ["train.js"], user);
    expect(printed).toMatch(/^adapter: /);
    const [, first, last] = /^loss (\S+) → (\S+)$/m.exec(printed) ?? [];
    expect(Number(last) / Number(first)).toBeLessThan(0.5);
    for (const what of ["outputs ", "gradient", "weights "]) expect(printed).toContain(`${what} Float32Array(`);
  });

  it("runs its command", async () => {
    const printed = await execute(join(user, "node_modules/.bin/shibori"), ["--help"], user);
    expect(printed).toContain("Usage: shibori");
  });

  it.each([
    ["nodenext", "nodenext"],
    ["esnext", "bundler"],
  ])("type-checks the sample, module %s, resolution %s", async (module, moduleResolution) => {
    const compilerOptions = { module, moduleResolution, target: "es2022", lib: ["es2023", "dom"], types: [] };
    const strict = { strict: true, noEmit: true, skipLibCheck: false };
    writeFileSync(
      join(user, "tsconfig.json"),
      JSON.stringify({ compilerOptions: { ...compilerOptions, ...strict }, files: ["train.ts"] }),
    );
    await execute(join(ROOT, "node_modules/.bin/tsc"), ["-p", "."], user);
    // The types are there, and are not any.
    writeFileSync(join(user, "train.ts"), `${sample}\nexport const wrong: string = gpu.kind === "x" ? 1 : program;\n`);
    await expect(execute(join(ROOT, "node_modules/.bin/tsc"), ["-p", "."], user)).rejects.toThrow(/TS2367|TS2322/);
    writeFileSync(join(user, "train.ts"), sample);
  });

  it("declares types without the files that only a bundler can import", () => {
    const types = join(user, "node_modules/shibori/dist/types");
    const declarations = (readdirSync(types, { recursive: true }) as string[]).filter((name) => name.endsWith(".d.ts"));
    expect(declarations).toContain("index.d.ts");
    for (const name of declarations) {
      expect(readFileSync(join(types, name), "utf8"), name).not.toMatch(/(from|import\() ?"([^"]*\.wgsl|wgsl_reflect)/);
    }
  });
});
