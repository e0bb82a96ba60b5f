import { afterEach, describe, expect, it, vi } from "vitest";
import { Progress } from "../../src/cli/progress.js";

const line = (step: number) => ({ step, loss: 0.5, "l1.src": 0.1, "l1.dst": 0.1, latent: 0.01, rate: 1e-3 });

/** What a Progress writes to a terminal of so many columns. */
function onTerminal(columns: number | undefined, use: (progress: Progress) => void): string {
  vi.spyOn(process.stdout, "isTTY", "get").mockReturnValue(true);
  vi.spyOn(process.stdout, "columns", "get").mockReturnValue(columns as number);
  let text = "";
  vi.spyOn(process.stdout, "write").mockImplementation((chunk) => {
    text += chunk;
    return true;
  });
  // cli-progress moves the cursor with readline, which writes to the stream too.
  const progress = new Progress(100, 40, 4);
  use(progress);
  progress.stop();
  vi.restoreAllMocks();
  return text;
}

describe("Progress", () => {
  // Properties that a test's stdout, which is a pipe, does not have.
  const own = process.stdout as { isTTY?: boolean; columns?: number };
  own.isTTY ??= false;
  own.columns ??= 0;
  afterEach(() => vi.restoreAllMocks());

  it.each([undefined, 0, 1, 40, 79, 80, 100, 400])("works on a terminal of %s columns", (columns) => {
    const text = onTerminal(columns, (progress) => {
      progress.report(line(50));
      progress.say("stopping");
    });
    expect(text).toContain("40/100");
    expect(text).toContain("stopping\n");
  });

  it("counts the speed from where the sitting began", () => {
    const said: string[] = [];
    vi.spyOn(console, "log").mockImplementation((text) => said.push(text));
    const clock = vi.spyOn(performance, "now");
    clock.mockReturnValue(0);
    const progress = new Progress(100, 40, 4);
    clock.mockReturnValue(10_000);
    progress.report(line(50));
    expect(said).toEqual(["step  50/100  loss .5000 L1 .100 .100 latent .0100 t – 4 pictures/s 0:50 left"]);
  });
});
