/** The pages' script and style as text, bundled from src/report/page/ by esbuild.page.mjs. */
declare module "virtual:report-page" {
  export const script: string;
  export const style: string;
}
