import { Presets, SingleBar } from "cli-progress";
import type { StepLine } from "../storage/metrics.js";

/** Seconds between plain lines, where the output is no terminal. */
const INTERVAL = 10;

/** Columns that a line needs without its bar. */
const FIGURES_WIDTH = 80;

/** Without the zero before the point. */
const decimal = (n: number, digits: number): string => n.toFixed(digits).replace(/^0\./, ".");

const clock = (seconds: number): string => {
  const s = Math.max(0, Math.round(seconds));
  return `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`;
};

/** A progress bar on a terminal, a plain line now and then elsewhere. */
export class Progress {
  /** The latest t as a part of its ceiling, where it is known. */
  t: number | undefined;
  readonly #bar: SingleBar | undefined;
  readonly #begin = performance.now();
  #printed = 0;

  /** @param from steps done by earlier sittings */
  constructor(
    private readonly steps: number,
    private readonly from: number,
    private readonly pictures: number,
  ) {
    if (!process.stdout.isTTY) return;
    // The figures come first: the bar takes what a narrow terminal has left. Some terminals do not tell their width.
    const barsize = Math.max(0, Math.min(20, (process.stdout.columns || FIGURES_WIDTH) - FIGURES_WIDTH));
    const format = `${barsize < 4 ? "" : "{bar} "}{value}/{total} {figures}`;
    const options = { format, barsize, stream: process.stdout, fps: 5, gracefulExit: false };
    this.#bar = new SingleBar(options, Presets.shades_classic);
    this.#bar.start(steps, from, { figures: "" });
  }

  report(line: StepLine): void {
    const { step, loss, latent } = line;
    const seconds = (performance.now() - this.#begin) / 1e3;
    const perStep = seconds / (step - this.from);
    const rate = this.pictures / perStep;
    const figures = [
      `loss ${decimal(loss, 4)}`,
      ...this.#pictureLoss(line),
      ...(latent === undefined ? [] : [`latent ${decimal(latent, 4)}`]),
      `t ${this.t === undefined ? "–" : `${Math.round(100 * this.t)}%`}`,
      `${rate.toFixed(0)} pictures/s`,
      `${clock(perStep * (this.steps - step))} left`,
    ].join(" ");
    if (this.#bar) this.#bar.update(step, { figures });
    else if (seconds - this.#printed >= INTERVAL || step === this.steps) {
      this.#printed = seconds;
      console.log(`step ${String(step).padStart(String(this.steps).length)}/${this.steps}  ${figures}`);
    }
  }

  /** The first loss of pictures that is logged, of each of two identities or the mean of more: "L1 .061 .055". */
  #pictureLoss(line: StepLine): string[] {
    const first = Object.keys(line).find((name) => name.includes("."));
    if (!first) return [];
    const [slot] = first.split(".");
    const values = Object.keys(line)
      .filter((name) => name.startsWith(`${slot}.`))
      .map((name) => line[name]);
    const shown = values.length > 2 ? [values.reduce((sum, value) => sum + value, 0) / values.length] : values;
    return [`${slot === "l1" ? "L1" : slot} ${shown.map((value) => decimal(value, 3)).join(" ")}`];
  }

  /** Says something without disturbing the bar. */
  say(text: string): void {
    if (this.#bar) process.stdout.write(`\n${text}\n`);
    else console.log(text);
  }

  stop(): void {
    this.#bar?.stop();
  }
}
