/** A `.wgsl` file is imported as its text: by esbuild's text loader, and in tests by the plugin in vitest.config.ts. */
declare module "*.wgsl" {
  const source: string;
  export default source;
}

/** The package's types are declared for its bare name only, whose import fails in node (version 1.6). */
declare module "wgsl_reflect/wgsl_reflect.module.js" {
  export * from "wgsl_reflect";
}
