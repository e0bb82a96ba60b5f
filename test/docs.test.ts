import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const DOCUMENTS = [
  "README.md",
  "bench/README.md",
  "bench/kernels/README.md",
  ...(readdirSync(join(ROOT, "docs"), { recursive: true }) as string[])
    .filter((path) => path.endsWith(".md"))
    .map((path) => join("docs", path)),
];
const FENCE = /^```(.*)\n([\s\S]*?)^```$/gm;

/** Targets of links and images within the checkout, without their anchors. */
function targets(markdown: string): string[] {
  const prose = markdown.replace(FENCE, "").replace(/`[^`\n]*`/g, "code");
  const inline = prose.matchAll(/\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)/g);
  const definitions = prose.matchAll(/^\[[^\]]+\]:\s*(\S+)/gm);
  const html = prose.matchAll(/<[^>]*\b(?:src|href)="([^"]+)"/g);
  return [...inline, ...definitions, ...html]
    .map(([, target]) => decodeURI(target.replace(/#.*/, "")))
    .filter((target) => target && !/^[a-z][a-z+.-]*:/i.test(target));
}

interface Excerpt {
  path: string;
  text: string;
}

/** Fenced code whose info string names a file after the language. */
function excerpts(markdown: string): Excerpt[] {
  return [...markdown.matchAll(FENCE)].flatMap(([, info, text]) => {
    const path = info.trim().split(/\s+/)[1];
    return path ? [{ path, text }] : [];
  });
}

const flat = (text: string) => text.replace(/\s+/g, " ").trim();

/** The first piece of an excerpt that its source lacks; a line `…` or `// …` stands for whatever lies between pieces. */
function missing(text: string, source: string): string | undefined {
  const whole = flat(source);
  let from = 0;
  for (const piece of text.split(/^\s*(?:\/\/ )?…\s*$/m).map(flat)) {
    const at = whole.indexOf(piece, from);
    if (at < 0) return piece;
    from = at + piece.length;
  }
  return undefined;
}

describe.each(DOCUMENTS)("%s", (document) => {
  const markdown = readFileSync(join(ROOT, document), "utf8");

  it("links to files that exist", () => {
    const broken = targets(markdown).filter((target) => !existsSync(join(ROOT, dirname(document), target)));
    expect(broken).toEqual([]);
  });

  it("quotes the code as it is", () => {
    for (const { path, text } of excerpts(markdown)) {
      expect(existsSync(join(ROOT, path)), path).toBe(true);
      expect(missing(text, readFileSync(join(ROOT, path), "utf8")), path).toBeUndefined();
    }
  });
});

describe("what these tests look at", () => {
  it("how-it-works.md has links and excerpts to check", () => {
    const markdown = readFileSync(join(ROOT, "docs/how-it-works.md"), "utf8");
    expect(targets(markdown).length).toBeGreaterThan(30);
    expect(excerpts(markdown).length).toBeGreaterThan(10);
  });

  it("is every link and image of the checkout, and no other", () => {
    const markdown = [
      '[a](x/a.ts) ![b](b.png "title") [![c](c.png)](d.md#part) [e]: e.md `[no](no.md)`',
      '[web](https://example.org) [here](#part) [mail](mailto:a@b.c) <img alt="f" src="f.png">',
      "[g]: ../g.md",
      "```md\n[no](no.md)\n```",
    ].join("\n");
    expect(targets(markdown).sort()).toEqual(["../g.md", "b.png", "c.png", "d.md", "f.png", "x/a.ts"]);
  });

  it("is code with a path behind its language", () => {
    const markdown = "```ts src/a.ts\nconst a = 1;\n```\n```ts\nconst b = 2;\n```\n```\nc\n```\n";
    expect(excerpts(markdown)).toEqual([{ path: "src/a.ts", text: "const a = 1;\n" }]);
  });

  it("a quote may skip lines and be indented otherwise, but not differ or turn the order round", () => {
    const source = "function f() {\n  const a = 1;\n  const b = 2;\n  return a + b;\n}\n";
    expect(missing("const a = 1;\n…\nreturn a + b;\n", source)).toBeUndefined();
    expect(missing("    const a = 1;\n    const b = 2;\n    // …\n}\n", source)).toBeUndefined();
    expect(missing("const a = 1;\nreturn a + b;\n", source)).toBe("const a = 1; return a + b;");
    expect(missing("return a + b;\n…\nconst a = 1;\n", source)).toBe("const a = 1;");
    expect(missing("const a = 3;\n", source)).toBe("const a = 3;");
  });
});
