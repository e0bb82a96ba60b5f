import { constants } from "node:os";

const NAMES = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** npm and timeout send a signal on that the process has got already: what comes so soon after the first is the first. */
const ECHO_MS = 1000;

/**
 * What happens when a signal asks the process to end. At first it ends at once, by that signal (a shell says 128 + n). Once there is
 * work to be saved, the first signal is noted, and only another one, a second later, ends the process at once.
 */
export class Signals {
  caught: (typeof NAMES)[number] | undefined;
  /** Set while there is work to be saved: what to do at the first signal. */
  onFirst: (() => void) | undefined;
  #at = 0;
  readonly #handlers = NAMES.map((name) => [name, () => this.#catch(name)] as const);

  constructor() {
    for (const [name, handler] of this.#handlers) process.on(name, handler);
  }

  #catch(name: (typeof NAMES)[number]): void {
    if (this.onFirst && !this.caught) {
      this.caught = name;
      this.#at = performance.now();
      this.onFirst();
    } else if (!this.caught || performance.now() - this.#at > ECHO_MS) {
      // Not process.exit(): it tears drivers down while their threads compile, and they crash. The signal itself does not.
      process.emit("exit", exitCode(name));
      this.release();
      process.kill(process.pid, name);
    }
  }

  release(): void {
    for (const [name, handler] of this.#handlers) process.off(name, handler);
  }
}

export const exitCode = (signal: (typeof NAMES)[number]): number => 128 + constants.signals[signal];
