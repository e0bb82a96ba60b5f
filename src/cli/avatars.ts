import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { Command, Option } from "commander";
import { UserError } from "../engine/errors.js";
import { compile } from "../engine/program.js";
import { drawAvatars, poses, SIZES } from "../faceswap/avatars.js";
import { CAST_NAMES, type CastName, castNamed } from "../faceswap/identities.js";
import { type Background, POSE_KINDS, type PoseKind } from "../faceswap/poses.js";
import { adapterLine, openGpu } from "../platform/node.js";
import { checkFilePath, checkFolderPath, ensureDir, writeFileAtomic } from "../storage/files.js";
import { encodePng, type Picture } from "../storage/images.js";
import { montage } from "../storage/montage.js";
import { AVATARS_FILE, type AvatarsFile } from "./avatarsFile.js";
import { adapterOption, wholeNumber } from "./options.js";
import { toPictures } from "./previews.js";

interface Options {
  pair: CastName;
  count: number;
  size: number;
  poses: PoseKind;
  background: Background;
  seed: number;
  out: string;
  adapter?: string;
}

const COLUMNS = 8;

export function avatarsCommand(): Command {
  return new Command("avatars")
    .description("Draws avatars: a labelled sheet of all identities in the same poses, or a folder of PNGs of each.")
    .addOption(
      new Option("--pair <name>", "which identities; trio is three, the bridged ones five")
        .choices(CAST_NAMES)
        .default("mild"),
    )
    .option("--count <n>", "pictures of each identity", wholeNumber(1), 24)
    .option("--size <pixels>", `width and height, ${SIZES.least} to ${SIZES.most}`, wholeNumber(1), 128)
    .addOption(new Option("--poses <kind>", "how they turn, look and smile").choices(POSE_KINDS).default("demo"))
    .addOption(new Option("--background <kind>", "behind them").choices(["plain", "random"]).default("plain"))
    .option("--seed <n>", "other poses", wholeNumber(0), 0)
    .requiredOption("-o, --out <path>", "a sheet (FILE.png), or a folder (DIR/) to fill with DIR/src, DIR/dst, …")
    .addOption(adapterOption())
    .addHelpText(
      "after",
      "\nExamples:\n  shibori avatars --pair mild --count 24 -o sheet.png\n  shibori avatars --pair hue --count 500 --size 64 -o faces/",
    )
    .action(draw);
}

/** Pictures left from an earlier call would be mixed with others, of which avatars.json knows nothing. */
function checkFolders(folders: readonly string[]): void {
  for (const path of folders) {
    checkFolderPath(path);
    if (existsSync(path) && readdirSync(path).length) {
      throw new UserError(`${path} is not empty: give another --out, or remove it`);
    }
  }
}

async function draw(options: Options): Promise<void> {
  const { pair: name, count, size, seed, out } = options;
  if (size < SIZES.least || size > SIZES.most) {
    throw new UserError(`--size ${size}: avatars are drawn from ${SIZES.least} to ${SIZES.most} pixels`);
  }
  const cast = castNamed(name);
  const names = Object.keys(cast);
  const sheet = /\.png$/i.test(out);
  const folder = (side: string) => join(out, side);
  if (sheet) checkFilePath(out);
  else checkFolders(names.map(folder));
  const batch = Math.min(16, count);
  const gpu = await openGpu({ adapter: options.adapter });
  console.error(adapterLine(gpu));
  const program = await compile(
    gpu,
    () => {
      const kind = { batch, background: options.background };
      const shared = poses(options.poses, kind);
      // A sheet compares the identities; training folders must not hold pairs, which real pictures never do.
      const own = (i: number) => (sheet || i === 0 ? shared : poses(options.poses, kind));
      return Object.fromEntries(names.map((who, i) => [who, drawAvatars(cast[who], own(i), size)]));
    },
    { seed },
  );
  if (!sheet) for (const side of names) ensureDir(folder(side));
  const drawn: Record<string, Picture[]> = Object.fromEntries(names.map((who) => [who, []]));
  const digits = Math.max(4, String(count - 1).length);
  for (let at = 0; at < count; at += batch) {
    await program.run();
    for (const side of names) {
      const pictures = toPictures({ data: await program.read(side), length: size * size * 3 }).slice(0, count - at);
      if (sheet) drawn[side].push(...pictures);
      else {
        pictures.forEach((picture, i) => {
          const file = `${String(at + i).padStart(digits, "0")}.png`;
          writeFileAtomic(join(folder(side), file), encodePng(picture));
        });
      }
    }
  }
  gpu.destroy();
  if (!sheet) {
    const { poses: kind, background } = options;
    const about: AvatarsFile = { pair: name, poses: kind, background, size, seed, count };
    writeFileAtomic(join(out, AVATARS_FILE), `${JSON.stringify(about, null, 2)}\n`);
    console.log(`wrote ${count} pictures of each identity to ${names.map(folder).join(" and ")}`);
    return;
  }
  const rows: Picture[][] = [];
  const rowLabels: string[] = [];
  for (let at = 0; at < count; at += COLUMNS) {
    for (const side of names) {
      rows.push(drawn[side].slice(at, at + COLUMNS));
      rowLabels.push(side);
    }
  }
  const title = `pair ${name}, ${options.poses} poses, ${size} px, seed ${seed}`;
  writeFileAtomic(out, encodePng(montage(rows, { rowLabels, title })));
  console.log(`wrote ${out}: ${count} poses of ${names.join(" and ")}`);
}
