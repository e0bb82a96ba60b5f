import { expect } from "vitest";
import type { PageData } from "../../src/report/pageData.js";

const VOID = new Set(["meta", "input", "img", "br", "line", "circle", "link"]);

/** A page taken apart. */
export interface Opened {
  readonly html: string;
  /** What is read: no tags, script or style. */
  readonly text: string;
  readonly data: PageData;
}

const unescaped = (text: string): string =>
  text
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&#39;", "'")
    .replaceAll("&amp;", "&");

/** Checks what must hold of every page, and takes it apart. */
export function opened(html: string): Opened {
  expect(html).toMatch(/^<!doctype html>/);
  const [, json] = /<script type="application\/json" id="data">(.*?)<\/script>/s.exec(html) ?? [];
  const data = JSON.parse(json) as PageData;
  const body = html.replace(/<script.*?<\/script>|<style>.*?<\/style>/gs, "");
  expectBalanced(body);
  const text = unescaped(body.replace(/<[^>]*>/g, " ")).replace(/\s+/g, " ");
  expect(text).not.toMatch(/undefined|NaN|Infinity|\[object|\bnull\b|\bfalse\b/);
  for (const [, name, value] of body.matchAll(/ (alt|aria-label|title|href|src|style)="([^"]*)"/g)) {
    expect(value, name).not.toMatch(/undefined|NaN|Infinity|\[object/);
    expect(value, name).not.toBe("");
  }
  expectNoNetwork(html);
  for (const [id, chart] of Object.entries(data.charts)) {
    for (const { x, curves } of chart.groups) {
      for (const { y } of curves) expect(y, id).toHaveLength(x.length);
      expect(
        [...x].sort((a, b) => a - b),
        id,
      ).toEqual(x);
    }
  }
  for (const [, id] of body.matchAll(/data-chart="([^"]*)"/g)) expect(Object.keys(data.charts)).toContain(id);
  for (const [, id] of body.matchAll(/href="#([^"]*)"/g)) expect(body).toContain(`id="${id}"`);
  return { html, text, data };
}

/** Every element that is opened is closed, in order. */
function expectBalanced(body: string): void {
  const open: string[] = [];
  for (const [tag, end, name, self] of body.matchAll(/<(\/?)([a-z][a-z0-9]*)(?:\s[^<>]*?)?(\/?)>/gi)) {
    if (VOID.has(name) || self) continue;
    if (end) expect(open.pop(), tag).toBe(name);
    else open.push(name);
  }
  expect(open).toEqual([]);
  expect(body.replace(/<!doctype html>|<\/?[a-z][^<>]*>/gi, "")).not.toMatch(/[<>]/);
}

/** Nothing asks for what does not lie on the disk, and the browser is told to refuse it. */
function expectNoNetwork(html: string): void {
  expect(html).toContain(`http-equiv="Content-Security-Policy" content="default-src &#39;none&#39;; `);
  for (const [, url] of html.matchAll(/(?:src|href|srcset|action)\s*=\s*["']?([^"'\s>]+)/gi)) {
    expect(url).not.toMatch(/^(https?:)?\/\//);
  }
  expect(html).not.toMatch(/url\(\s*["']?(https?:)?\/\/|@import|fetch\(|XMLHttpRequest|WebSocket|sendBeacon/);
}
