/** The script of all pages: draws charts, moves sliders, explains the roofline. Runs in a browser. */
import type { PageData } from "../pageData.js";
import { drawCharts } from "./charts.js";
import { followRoofline } from "./roofline.js";
import { moveFiles, moveTiles } from "./sliders.js";

const data = JSON.parse(document.getElementById("data")?.textContent ?? "{}") as PageData;
drawCharts(data.charts);
if (data.previews) moveFiles(data.previews);
if (data.tiles) moveTiles(data.tiles);
followRoofline();
