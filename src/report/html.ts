/** HTML as text, escaped unless it is known to be HTML; and the frame of a page. */
import { script, style } from "virtual:report-page";
import type { PageData } from "./pageData.js";

/** Text that is HTML already. */
export class Html {
  constructor(readonly text: string) {}
}

export type Content = string | number | Html | undefined | false | readonly Content[];

const ENTITIES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const escaped = (text: string): string => text.replace(/[&<>"']/g, (c) => ENTITIES[c]);

function render(content: Content): string {
  if (content instanceof Html) return content.text;
  if (Array.isArray(content)) return content.map(render).join("");
  return content === undefined || content === false ? "" : escaped(String(content));
}

/** A template of HTML. What is put in is escaped, unless it is Html itself; lists are joined, undefined is nothing. */
export function html(parts: TemplateStringsArray, ...contents: Content[]): Html {
  return new Html(parts.reduce((text, part, i) => text + render(contents[i - 1]) + part));
}

/** Neither `</script>` nor `<!--` may stand inside of a script element. */
const json = (data: unknown): string => JSON.stringify(data).replaceAll("<", "\\u003c");
const code = (text: string): string => text.replace(/<(?=\/script|!--)/gi, "\\x3c");

/** What a page may load: pictures beside it. A browser that is told so sends nothing over a network. */
const POLICY = "default-src 'none'; img-src 'self' file: data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

/** A whole page: script, style and data stand in it. */
export function page(title: string, body: Html, data: PageData): string {
  const parts = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<title>${title}</title>
<style>${new Html(style)}</style>
</head>
<body>
${body}
<script type="application/json" id="data">${new Html(json(data))}</script>
<script>${new Html(code(script))}</script>
</body>
</html>
`;
  return parts.text;
}
