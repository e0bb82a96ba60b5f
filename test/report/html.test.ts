import { describe, expect, it } from "vitest";
import { html, page } from "../../src/report/html.js";
import { opened } from "./html.js";

describe("html", () => {
  it("escapes what is put in, unless it is HTML itself", () => {
    const name = `<b>&"'</b>`;
    expect(html`<p title="${name}">${name}</p>`.text).toBe(
      '<p title="&lt;b&gt;&amp;&quot;&#39;&lt;/b&gt;">&lt;b&gt;&amp;&quot;&#39;&lt;/b&gt;</p>',
    );
    expect(html`<p>${html`<b>${"<"}</b>`}</p>`.text).toBe("<p><b>&lt;</b></p>");
  });

  it("joins lists, and leaves out what is not there; zero and nothing are something", () => {
    expect(html`${[1, "<", html`<i></i>`, [undefined, 2]]}|${undefined}|${false}|${0}|${""}`.text).toBe(
      "1&lt;<i></i>2|||0|",
    );
  });
});

describe("a page", () => {
  it("keeps its data whole, whatever stands in it", () => {
    const name = "</script><script>alert(1)</script><!--";
    const { html: text, data } = opened(
      page(name, html`<p>${name}</p>`, { charts: {}, previews: [{ step: 1, name }] }),
    );
    expect(data.previews).toEqual([{ step: 1, name }]);
    expect(text.match(/<script/g)).toHaveLength(2);
    expect(text.match(/<\/script>/g)).toHaveLength(2);
  });

  it("holds the plotting library, with its licence", () => {
    const text = page("t", html``, { charts: {} });
    expect(text).toMatch(/The charts are drawn by uPlot \d+\.\d+\.\d+:\nThe MIT License/);
    expect(text).toContain("Copyright (c) 2022 Leon Sorokin");
    expect(text.replace(/\s+/g, " ")).toContain(
      "The above copyright notice and this permission notice shall be included in",
    );
    expect(text).toContain(".uplot");
  });
});
