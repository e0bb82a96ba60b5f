import type { Plugin } from "esbuild";
import type { Plugin as VitePlugin } from "vitest/config";

export const pagePlugin: Plugin;
export const pageVitePlugin: VitePlugin;
