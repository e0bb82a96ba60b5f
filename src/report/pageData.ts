/** What a page's script gets: numbers to draw. Everything that is read stands in the HTML. Pure: pages use it too. */

/**
 * line, long and dashdot: what was measured, or one of several runs. faint: single steps, behind a line. dashed and dotted:
 * what it is compared with. point: a single value.
 */
export type CurveStyle = "line" | "long" | "dashdot" | "faint" | "dashed" | "dotted" | "point";

/** Line width, dashes and opacity, in CSS pixels; in charts and in their legends. */
export const LINES: Readonly<Record<CurveStyle, { width: number; dash: number[]; alpha?: number }>> = {
  line: { width: 2, dash: [] },
  long: { width: 2, dash: [11, 3] },
  dashdot: { width: 2, dash: [8, 3, 2, 3] },
  faint: { width: 1, dash: [], alpha: 0.35 },
  dashed: { width: 1.5, dash: [6, 4] },
  dotted: { width: 2, dash: [2, 4] },
  point: { width: 0, dash: [] },
};

export interface Curve {
  /** Name of a CSS custom property, without the dashes. */
  readonly tone: string;
  readonly style: CurveStyle;
  /** null where there is nothing to draw. */
  readonly y: readonly (number | null)[];
}

/** Curves over the same steps. */
export interface CurveGroup {
  readonly x: readonly number[];
  readonly curves: readonly Curve[];
}

export interface ChartData {
  /** In the order of the legend's entries. */
  readonly groups: readonly CurveGroup[];
  readonly x: readonly [from: number, to: number];
  readonly log: boolean;
  /** Values that the vertical axis always shows. */
  readonly y: readonly number[];
  /** Decimals of values in the legend; those that suit the value if undefined. */
  readonly digits?: number;
  /** Steps to draw an upright line at. */
  readonly marks: readonly number[];
}

/** One step of a slider over previews. */
export interface PreviewFile {
  readonly step: number;
  readonly name: string;
}

/** One stop of a slider over pictures that stand in the page. */
export interface TileStop {
  readonly label: string;
  /** In the order of the places that they go to; undefined: those that are there when the page is opened. */
  readonly tiles?: readonly string[];
}

export interface PageData {
  /** By the id of their place. */
  readonly charts: Readonly<Record<string, ChartData>>;
  readonly previews?: readonly PreviewFile[];
  readonly tiles?: readonly TileStop[];
}
