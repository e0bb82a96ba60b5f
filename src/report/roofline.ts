import type { BenchRecord } from "../bench/record.js";
export const rooflinePage = (r: BenchRecord): string => JSON.stringify(r);
