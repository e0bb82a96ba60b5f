import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { pathToFileURL } from "node:url";

/** An installed Chromium, where there is one. */
export const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);

interface Message {
  id?: number;
  method?: string;
  params?: Record<string, unknown>;
  result?: Record<string, unknown>;
  error?: { message: string };
}

/** A headless Chromium, spoken to in its DevTools protocol over pipes. */
export class Browser {
  readonly #profile = mkdtempSync(join(tmpdir(), "shibori-chromium-"));
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (message: Message) => void>();
  readonly #heard: (message: Message) => void;
  #session: string | undefined;
  #id = 0;
  #rest = "";
  /** What the page complained of: exceptions, errors on the console, refused loads. */
  problems: string[] = [];
  /** Every address that the page asked for, without what stands in it. */
  requests: string[] = [];

  constructor() {
    const options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"];
    this.#child = spawn(CHROMIUM as string, [...options, `--user-data-dir=${this.#profile}`, "about:blank"], {
      stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
    });
    (this.#child.stdio[4] as Readable).on("data", (data) => this.#read(String(data)));
    this.#heard = ({ method, params = {} }) => {
      if (method === "Runtime.exceptionThrown" || method === "Log.entryAdded")
        this.problems.push(JSON.stringify(params));
      if (method === "Runtime.consoleAPICalled" && params.type !== "log") this.problems.push(JSON.stringify(params));
      if (method === "Network.requestWillBeSent") {
        const { url } = params.request as { url: string };
        if (!url.startsWith("data:")) this.requests.push(url);
      }
    };
  }

  #read(data: string): void {
    const messages = `${this.#rest}${data}`.split("\0");
    this.#rest = messages.pop() as string;
    for (const text of messages) {
      const message = JSON.parse(text) as Message;
      if (message.id === undefined) this.#heard(message);
      else this.#waiting.get(message.id)?.(message);
    }
  }

  send(method: string, params: object = {}): Promise<Record<string, unknown>> {
    const id = ++this.#id;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, ({ result = {}, error }) => {
        this.#waiting.delete(id);
        if (error) reject(new Error(`${method}: ${error.message}`));
        else resolve(result);
      });
      const message = JSON.stringify({ id, method, params, sessionId: this.#session });
      (this.#child.stdio[3] as Writable).write(`${message}\0`);
    });
  }

  /** Opens a page from disk, `width` CSS pixels wide, and waits until it is drawn. */
  async open(file: string, options: { width: number; dark?: boolean }): Promise<void> {
    if (!this.#session) {
      const { targetId } = await this.send("Target.createTarget", { url: "about:blank" });
      const { sessionId } = await this.send("Target.attachToTarget", { targetId, flatten: true });
      this.#session = sessionId as string;
      for (const domain of ["Page", "Runtime", "Log", "Network"]) await this.send(`${domain}.enable`);
    }
    const { width, dark = false } = options;
    const size = { width, height: 800, deviceScaleFactor: 1, mobile: width < 600 };
    await this.send("Emulation.setDeviceMetricsOverride", size);
    await this.dark(dark);
    this.problems = [];
    this.requests = [];
    await this.send("Page.navigate", { url: pathToFileURL(file).href });
    await this.ask(`new Promise((done) => {
      const drawn = () => setTimeout(done, 200);
      if (document.readyState === "complete") drawn(); else addEventListener("load", drawn);
    })`);
  }

  dark(on: boolean): Promise<unknown> {
    const features = [{ name: "prefers-color-scheme", value: on ? "dark" : "light" }];
    return this.send("Emulation.setEmulatedMedia", { features });
  }

  /** The value of an expression in the page. */
  async ask<T>(expression: string): Promise<T> {
    const answer = await this.send("Runtime.evaluate", { expression, returnByValue: true, awaitPromise: true });
    const { result, exceptionDetails } = answer as { result: { value: T }; exceptionDetails?: object };
    if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails));
    return result.value;
  }

  async close(): Promise<void> {
    const gone = new Promise((resolve) => this.#child.on("exit", resolve));
    // It may be gone before it answers, or hang: neither may hold up the tests.
    this.send("Browser.close").catch(() => this.#child.kill());
    const late = setTimeout(() => this.#child.kill("SIGKILL"), 10_000);
    await gone;
    clearTimeout(late);
    try {
      rmSync(this.#profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    } catch (error) {
      // Its helpers may outlive it for a moment and write on; the system clears its temporary files.
      if ((error as NodeJS.ErrnoException).code !== "ENOTEMPTY") throw error;
    }
  }
}
