const NAP_MS = 0.5;
const cell = new Int32Array(new SharedArrayBuffer(4));
let waiting = 0;
let dozing = false;

function doze(): void {
  if (!waiting) {
    dozing = false;
    return;
  }
  Atomics.wait(cell, 0, 0, NAP_MS);
  setImmediate(doze);
}

/**
 * Settles as `done` does, and lets this thread sleep meanwhile, half a millisecond at a time. While a promise of a queue is
 * pending, Dawn's node binding polls in every turn of the event loop, one after the other: a whole core, of which
 * a CPU adapter can make better use.
 */
export function dozeUntil<T>(done: Promise<T>): Promise<T> {
  const end = () => {
    waiting--;
  };
  waiting++;
  done.then(end, end);
  if (!dozing) {
    dozing = true;
    setImmediate(doze);
  }
  return done;
}
