import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { Command } from "commander";
import { UserError } from "../engine/errors.js";
import { input } from "../engine/ops/leaf.js";
import { compile } from "../engine/program.js";
import { adapterLine, openGpu } from "../platform/node.js";
import { checkFilePath, checkFolderPath, ensureDir, fileError, writeFileAtomic } from "../storage/files.js";
import { cropAndResize, decodePng, encodePng } from "../storage/images.js";
import { adapterOption } from "./options.js";
import { toPictures } from "./previews.js";
import { openTrained } from "./trained.js";

interface Options {
  run: string;
  from: string;
  to: string;
  out: string;
  adapter?: string;
}

export function swapCommand(): Command {
  return new Command("swap")
    .description("Swaps PNGs with a trained run: encodes faces of one identity, decodes them as the other.")
    .argument("<in...>", "PNG files, or folders of them (centre-cropped and resized to the network's size)")
    .requiredOption("--run <dir>", "folder of the run")
    .requiredOption("--from <name>", "who the pictures show: src or dst, unless the run has others")
    .requiredOption("--to <name>", "whose decoder draws them")
    .requiredOption("-o, --out <path>", "a file for one picture (FILE.png), else a folder")
    .addOption(adapterOption())
    .addHelpText(
      "after",
      "\nExamples:\n  shibori swap --run runs/demo --from src --to dst face.png -o swapped.png" +
        "\n  shibori swap --run runs/demo --from src --to dst faces/src -o swapped/",
    )
    .action(swap);
}

/** The files behind the arguments: a folder stands for its PNGs, in order of name. */
function filesOf(paths: readonly string[]): string[] {
  return paths.flatMap((path) => {
    if (!existsSync(path)) throw new UserError(`${path} does not exist`);
    if (!statSync(path).isDirectory()) return [path];
    const files = readdirSync(path).filter((name) => /\.png$/i.test(name));
    if (!files.length) throw new UserError(`${path} holds no PNG files`);
    return files.sort().map((name) => join(path, name));
  });
}

async function swap(paths: string[], { run, from, to, out, adapter }: Options): Promise<void> {
  const { model, values, config } = openTrained(run);
  for (const [flag, name] of Object.entries({ from, to })) {
    if (!config.identities.includes(name)) {
      throw new UserError(`--${flag} ${name}: the run's identities are ${config.identities.join(", ")}`);
    }
  }
  const files = filesOf(paths);
  const single = /\.png$/i.test(out);
  if (single && files.length > 1)
    throw new UserError(`${files.length} pictures do not fit one file ${out}: give a folder`);
  const targets = files.map((file) => (single ? out : join(out, basename(file))));
  const twice = targets.find((target, i) => targets.indexOf(target) !== i);
  if (twice) throw new UserError(`two pictures would be written to ${twice}: give them one at a time`);
  const { size } = model.architecture;
  const own = files.find((file) => targets.some((target) => resolve(target) === resolve(file)));
  if (own) throw new UserError(`${own} would be overwritten by a swap: give another --out`);
  if (single) checkFilePath(out);
  else checkFolderPath(out);
  const pictures = files.map((file) => {
    try {
      return cropAndResize(decodePng(readFileSync(file), file), size);
    } catch (error) {
      throw fileError("read", file, error);
    }
  });

  const gpu = await openGpu({ adapter });
  console.error(adapterLine(gpu));
  const program = await compile(gpu, () => ({ y: model.decode[to](model.encode(input("x", [1, size, size, 3]))) }));
  for (const [name, data] of values) model.parameters.write(gpu, name, data);
  if (!single) ensureDir(out);
  for (const [i, picture] of pictures.entries()) {
    program.write(
      "x",
      Float32Array.from(picture.data, (byte) => byte / 255),
    );
    await program.run();
    const [made] = toPictures({ data: await program.read("y"), length: size * size * 3 });
    const about = `A face decoded by a neural network as "${to}" from a picture of "${from}"`;
    writeFileAtomic(targets[i], encodePng(made, { text: { Software: "shibori", Description: about } }));
  }
  gpu.destroy();
  console.log(`swapped ${files.length} picture${files.length > 1 ? "s" : ""} from ${from} to ${to}: ${out}`);
}
