import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { opened } from "../report/html.js";
import { makeRun, TRAP } from "../report/runs.js";
import { runConfig } from "../storage/runs.js";
import { ensureBuilt, Shell } from "./shell.js";

const shell = new Shell();

beforeAll(async () => {
  await ensureBuilt();
  const recipe = { finished: true, looks: [240], previews: [240, 2400] };
  makeRun(shell.file("demo"), recipe);
  makeRun(shell.file("trap"), { ...recipe, measures: TRAP });
  makeRun(shell.file("new"), { done: 12 });
  for (let i = 1; i <= 9; i++) cpSync(shell.file("new"), shell.file(`n${i}`), { recursive: true });
  mkdirSync(shell.file("folder.html"));
  mkdirSync(shell.file("empty"));
  writeFileSync(shell.file("file"), "no folder");
  const damaged = (name: string, file: string, content: string) => {
    cpSync(shell.file("demo"), shell.file(name), { recursive: true });
    writeFileSync(shell.file(name, file), content);
  };
  damaged("garbled", "metrics.jsonl", '{"step":1}\nno line of ours\n');
  damaged("half", "config.json", JSON.stringify({ ...runConfig(), network: undefined }));
  damaged("blurred", "previews/002400.png", "no picture");
});
afterAll(() => shell.remove());

describe("shibori compare", () => {
  it("--help shows examples that name the command", async () => {
    const help = await shell.do("compare --help");
    expect(help).toMatch(/^Usage: shibori compare \[options\] <run\.\.\.>/);
    expect(help.split("Examples:\n")[1]).toMatch(/^ {2}shibori compare runs\/demo runs\/trap -o /);
  });

  it("writes one page, and says the verdicts", async () => {
    const printed = await shell.do("compare demo trap -o page.html");
    expect(printed.split("\n")).toEqual([
      "run       steps  reconstruction     t  swap error  pose corr.  verdict",
      "demo  2400/2400            0.54  0.94        0.69        0.95  passes",
      "trap  2400/2400            0.45  0.24        1.50        0.77  fails",
      expect.stringMatching(
        /^Both reconstruct \(0\.54 and 0\.45 of .*\); only demo swaps \(t 0\.94 against 0\.24 of its ceiling\)\. /,
      ),
      "wrote page.html",
      "",
    ]);
    const { text } = opened(shell.read("page.html").toString());
    expect(text).toContain("Both reconstruct (0.54 and 0.45 of a constant picture's error); only demo swaps");
    expect(text).toContain("The same for every run: 3 held-out poses of the pair mild, poses demo, 8 px.");
  });

  it("takes unfinished runs, and writes over an earlier page", async () => {
    const printed = await shell.do("compare demo new trap -o page.html");
    expect(printed).toContain("\nnew     12/2400               –     –           –           –  unfinished\n");
    expect(opened(shell.read("page.html").toString()).text).toContain("new is unfinished (step 12 of 2,400)");
  });

  it("passes over a damaged preview, and says so", async () => {
    const { code, stderr } = await shell.run("compare demo blurred -o page.html");
    expect([code, stderr]).toEqual([0, "passed over blurred/previews/002400.png: not a PNG file\n"]);
  });
});

/** What is typed wrong, and the one line that answers. */
const MISTAKES: [command: string, reason: string | RegExp][] = [
  ["compare", "required option '-o, --out <page.html>' not specified"],
  ["compare -o a.html", "missing required argument 'run'"],
  ["compare demo trap", "required option '-o, --out <page.html>' not specified"],
  ["compare demo -o a.html", "demo alone cannot be compared: name another run"],
  ["compare demo demo -o a.html", "demo is named twice: name each run once"],
  ["compare demo ./trap/../demo -o a.html", "./trap/../demo is named twice: name each run once"],
  ["compare n1 n2 n3 n4 n5 n6 n7 n8 n9 -o a.html", "9 runs are too many for one page: at most 8"],
  ["compare demo nowhere -o a.html", "nowhere is not the folder of a run: it has no config.json"],
  ["compare demo empty -o a.html", "empty is not the folder of a run: it has no config.json"],
  ["compare demo file -o a.html", "file is not the folder of a run: it has no config.json"],
  ["compare demo trap -o a.png", "a.png must end in .html: the comparison is a page"],
  ["compare demo trap -o empty", "empty must end in .html: the comparison is a page"],
  ["compare demo trap -o folder.html", "cannot write folder.html: it is a folder, not a file"],
  ["compare demo trap -o no/a.html", "cannot write no/a.html: the folder no does not exist"],
  ["compare demo trap -o file/a.html", /^cannot write to the folder file: a part of the path is a file/],
  ["compare demo trap -o trap/report.html", "trap/report.html is the report of trap: give another --out"],
  [
    "compare demo garbled -o a.html",
    /^garbled\/metrics\.jsonl, line 1 is not one that a run writes: mend or delete the line$/,
  ],
  [
    "compare demo half -o a.html",
    /^half\/config\.json: network: expected object, received undefined; the file is damaged, or of another/,
  ],
  ["compare demo trap -o a.html --best", "unknown option '--best'"],
];

describe("refuses in one line, touching nothing:", () => {
  it.for(MISTAKES)("shibori %s", async ([command, reason]) => {
    const line = await shell.mistake(command);
    if (typeof reason === "string") expect(line).toBe(reason);
    else expect(line).toMatch(reason);
  });
});
