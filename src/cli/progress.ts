import { Presets, SingleBar } from "cli-progress";

interface StepValues {
  step: number;
  loss: number;
  src: number;
  dst: number;
  latent: number;
}

/** Seconds between plain lines, where the output is no terminal. */
const INTERVAL = 10;

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

  constructor(
    private readonly steps: number,
    private readonly pictures: number,
  ) {
    if (!process.stdout.isTTY) return;
    const format = "{bar} {value}/{total}  {figures}";
    this.#bar = new SingleBar({ format, barsize: 20, stream: process.stdout, fps: 5 }, Presets.shades_classic);
    this.#bar.start(steps, 0, { figures: "" });
  }

  report({ step, loss, src, dst, latent }: StepValues): void {
    const seconds = (performance.now() - this.#begin) / 1e3;
    const rate = (step * this.pictures) / seconds;
    const figures = [
      `loss ${loss.toFixed(4)}`,
      `L1 ${src.toFixed(4)} ${dst.toFixed(4)}`,
      `latent ${latent.toFixed(4)}`,
      `t ${this.t === undefined ? "–" : `${Math.round(100 * this.t)} %`}`,
      `${rate.toFixed(0)} pictures/s`,
      `${clock((seconds / step) * (this.steps - step))} left`,
    ].join("  ");
    if (this.#bar) this.#bar.update(step, { figures });
    else if (seconds - this.#printed >= INTERVAL || step === this.steps) {
      this.#printed = seconds;
      console.log(`step ${String(step).padStart(String(this.steps).length)}/${this.steps}  ${figures}`);
    }
  }

  stop(): void {
    this.#bar?.stop();
  }
}
