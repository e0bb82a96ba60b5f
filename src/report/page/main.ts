/** The script of the report and of the comparison: draws charts, moves sliders. Runs in a browser. */
import type { PageData } from "../pageData.js";
import { drawCharts } from "./charts.js";
import { moveFiles, moveTiles } from "./sliders.js";

const data = JSON.parse(document.getElementById("data")?.textContent ?? "{}") as PageData;
drawCharts(data.charts);
if (data.previews) moveFiles(data.previews);
if (data.tiles) moveTiles(data.tiles);
