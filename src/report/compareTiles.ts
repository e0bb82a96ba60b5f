/** The runs' pictures beside each other, as tables: a row a pose. */
import type { Compared } from "./compared.js";
import { runHead } from "./compareTables.js";
import { type Html, html } from "./html.js";
import type { TileStop } from "./pageData.js";
import type { RunTiles, Tiles } from "./tiles.js";

interface Cell {
  readonly alt: string;
  /** What it shows at a stop. */
  readonly at: (stop: number) => string;
  readonly moves: boolean;
}

interface Group {
  readonly title: string;
  readonly columns: readonly { readonly head: Html; readonly cell: (pose: number) => Cell | undefined }[];
}

const text = (words: string): Html => html`${words}`;

function poseGroup({ poses }: RunTiles): Group {
  const known = poses.some(({ trueSwap }) => trueSwap !== undefined);
  const still = (alt: string, picture: string | undefined): Cell | undefined =>
    picture === undefined ? undefined : { alt, at: () => picture, moves: false };
  return {
    title: known ? "held-out pose" : "held-out picture",
    columns: [
      { head: text("source"), cell: (pose) => still(`source, row ${pose + 1}`, poses[pose].source) },
      ...(known
        ? [
            {
              head: text("true swap"),
              cell: (pose: number) => still(`true swap, row ${pose + 1}`, poses[pose].trueSwap),
            },
          ]
        : []),
    ],
  };
}

function movingGroup(title: string, of: "swap" | "reconstruction", runs: readonly RunTiles[]): Group {
  return {
    title,
    columns: runs.map(({ run, stops }) => ({
      head: runHead(run),
      cell: (pose: number) => ({
        alt: `${title} by ${run.name}, row ${pose + 1}`,
        at: (stop: number) => stops[stop][pose][of],
        moves: true,
      }),
    })),
  };
}

/** A table of its pictures, and those in it that a slider moves. */
function picturesTable(groups: readonly Group[], poses: number, stop: number): { table: Html; moving: Cell[] } {
  const moving: Cell[] = [];
  const heads = groups.map(
    ({ title, columns }) => html`<th scope="colgroup" colspan="${columns.length}">${title}</th>`,
  );
  const columns = groups.flatMap((group) => group.columns.map((column, i) => ({ ...column, first: i === 0 })));
  const rows = Array.from({ length: poses }, (_, pose) => {
    const cells = columns.map(({ cell, first }) => {
      const found = cell(pose);
      if (found?.moves) moving.push(found);
      const picture =
        found && html`<img src="${found.at(stop)}" alt="${found.alt}"${found.moves && html` data-moves`}>`;
      return html`<td${first && html` class="first"`}>${picture}</td>`;
    });
    return html`<tr>${cells}</tr>\n`;
  });
  const table = html`<table style="--columns:${columns.length}">
<thead><tr>${heads}</tr><tr>${columns.map(({ head, first }) => html`<th scope="col"${first && html` class="first"`}>${head}</th>`)}</tr></thead>
<tbody>
${rows}</tbody></table>`;
  return { table, moving };
}

export function tilesSection(tiles: Tiles, runs: readonly Compared[]): { section: Html; stops: TileStop[] } {
  const { stops, groups, problems } = tiles;
  const notes = problems.map((line) => html`<p class="empty">${line}</p>`);
  if (!stops.length) {
    return {
      section: html`<section id="pictures"><h2>Pictures</h2>${notes}
<p class="empty">The runs have no previews that could be set beside each other.</p></section>`,
      stops: [],
    };
  }
  const last = stops.length - 1;
  const tables = groups.map(({ runs: some }) => {
    const parts = [
      poseGroup(some[0]),
      movingGroup("swap", "swap", some),
      movingGroup("source reconstructed", "reconstruction", some),
    ];
    return picturesTable(parts, some[0].poses.length, last);
  });
  const moving = tables.flatMap((table) => table.moving);
  const without = runs.filter((run) => !groups.some((group) => group.runs.some((one) => one.run === run)));
  const [{ shows }] = groups;
  const several = runs.find(({ config }) => config.identities.length > 2)?.config.identities;
  const first = several ? ` Of several identities it is the swap from ${several[0]} to ${several[1]}.` : "";
  const about =
    groups.length > 1
      ? "The runs do not all show the same pictures: those that do stand in one table."
      : `The same for every run: ${shows}. A swap works if it looks like the true swap.`;
  const slider =
    stops.length > 1 &&
    html`<div class="slider">
<button type="button" data-go="-1" aria-label="earlier step">◀</button>
<input type="range" min="0" max="${last}" step="1" value="${last}" aria-label="step of the pictures">
<button type="button" data-go="1" aria-label="later step">▶</button>
<output>${stops[last]}</output>
</div>`;
  const section = html`<section id="pictures"><h2>Pictures</h2>
<figure class="tiles">
${slider || html`<p class="quiet">${stops[last]}</p>`}
<div class="pictures">${tables.map(({ table }) => table)}</div>
<figcaption>${about}${first}${without.length > 0 && ` Without previews: ${without.map(({ name }) => name).join(", ")}.`}</figcaption>
</figure>
${notes}
</section>`;
  return {
    section,
    stops: stops.map((label, stop) => (stop === last ? { label } : { label, tiles: moving.map(({ at }) => at(stop)) })),
  };
}
