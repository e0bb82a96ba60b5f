/** A value that needs memory from the dispatch group `first` to `last`, both included. */
export interface Lifetime {
  readonly bytes: number;
  readonly first: number;
  readonly last: number;
}

export interface SlotPlan {
  /** Size of each slot in bytes. */
  readonly slots: number[];
  /** The slot of each value, by index. */
  readonly slotOf: number[];
  /** The largest sum of bytes alive at one time: no plan can need less. */
  readonly lowerBound: number;
}

/**
 * Shares memory between values that are never alive together: largest first, each into the smallest slot that fits and
 * is free for its whole life, else into a new one. Slots become whole buffers, since WebGPU refuses a dispatch that
 * reads one range of a buffer and writes another.
 */
export function planSlots(values: readonly Lifetime[]): SlotPlan {
  const slots: { bytes: number; taken: Lifetime[] }[] = [];
  const slotOf = new Array<number>(values.length);
  const order = values.map((_, i) => i).sort((a, b) => values[b].bytes - values[a].bytes || a - b);
  for (const i of order) {
    const value = values[i];
    const free = (slot: { taken: Lifetime[] }) => slot.taken.every((t) => t.last < value.first || value.last < t.first);
    // Slots were opened largest first, so the last free one is the tightest fit.
    let chosen = slots.findLastIndex(free);
    if (chosen < 0) chosen = slots.push({ bytes: value.bytes, taken: [] }) - 1;
    slots[chosen].taken.push(value);
    slotOf[i] = chosen;
  }
  return { slots: slots.map((slot) => slot.bytes), slotOf, lowerBound: lowerBound(values) };
}

function lowerBound(values: readonly Lifetime[]): number {
  const events = values.flatMap((v) => [
    { at: v.first, change: v.bytes },
    { at: v.last + 0.5, change: -v.bytes },
  ]);
  events.sort((a, b) => a.at - b.at);
  let alive = 0;
  let most = 0;
  for (const { change } of events) {
    alive += change;
    most = Math.max(most, alive);
  }
  return most;
}
