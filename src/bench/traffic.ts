/** The bytes that a dispatch must move. */
import { aliasRoot, type BoundTo, type Dispatch, Scratch } from "../engine/graph.js";
import { type Kernel, reflect } from "../engine/shader.js";
import { bytes } from "../engine/shape.js";

/** What a kernel does with one of its storage variables. */
export interface Access {
  readonly reads: boolean;
  readonly writes: boolean;
}

const known = new Map<string, ReadonlyMap<string, Access>>();

/**
 * Which storage variables a kernel reads and writes, by name. WGSL's `read_write` does not tell whether a variable is
 * ever read, so its uses are looked at: `y[i] = …` writes, `y[i] += …` does both, all else reads.
 */
export function accessesOf(kernel: Kernel): ReadonlyMap<string, Access> {
  let found = known.get(kernel.source);
  if (!found) {
    const text = kernel.source
      .replace(/\/\/.*$/gm, "")
      .replace(/^struct \w+ \{[\s\S]*?\}/gm, "")
      .replace(/^@group.*$/gm, "");
    const functions = text.split(/^(?=fn )/m);
    const bindings = reflect(kernel).bindings.filter(({ type }) => type !== "uniform");
    found = new Map(
      bindings.map(({ name, type }) => {
        // A function may have a variable or a parameter of that name.
        const own = new RegExp(`(?:\\b(?:let|var|const)\\s+${name}\\b|[(,]\\s*${name}\\s*:)`);
        const seen = functions.filter((one) => !own.test(one)).join("\n");
        return [name, type === "storage" ? usesOf(seen, name) : { reads: true, writes: false }];
      }),
    );
    known.set(kernel.source, found);
  }
  return found;
}

function usesOf(text: string, name: string): Access {
  let reads = false;
  let writes = false;
  for (const { index } of text.matchAll(new RegExp(`(?<![\\w.])${name}(?!\\w)`, "g"))) {
    const before = text.slice(0, index);
    const stores = /(?:subgroupMatrixStore[^(;]*|atomicStore)\(\s*&\s*$/.test(before);
    const updates = /atomic(?!Load|Store)\w+\(\s*&\s*$/.test(before);
    const [operator] = /^\s*(?:[-+*/%&|^]=|\+\+|--|=(?!=))?/.exec(afterPlace(text, index + name.length)) as string[];
    const assigns = operator.trim();
    if (stores || updates || assigns) writes = true;
    if (!stores && assigns !== "=") reads = true;
  }
  return { reads, writes };
}

/** What stands behind the indices and members of a variable: behind `[i * (j + 1)].x`. */
function afterPlace(text: string, from: number): string {
  let at = from;
  for (;;) {
    if (text[at] === "[") {
      let depth = 0;
      do {
        if (text[at] === "[") depth++;
        if (text[at] === "]") depth--;
        at++;
      } while (depth > 0 && at < text.length);
    } else {
      const member = /^\.\w+/.exec(text.slice(at, at + 64));
      if (!member) return text.slice(at, at + 16);
      at += member[0].length;
    }
  }
}

/** The memory that a binding stands for, to tell equal ones, and its size in bytes. */
function placeOf(bound: BoundTo): { owner: object | string; offset: number; size: number } {
  if (bound === "clock") return { owner: bound, offset: 0, size: 16 };
  if (bound instanceof Scratch) return { owner: bound, offset: 0, size: bound.bytes };
  if ("state" in bound) return { owner: bound.state, offset: bound.offset, size: bound.bytes };
  if ("node" in bound) return { owner: aliasRoot(bound.node), offset: bound.offset, size: bound.bytes };
  return { owner: aliasRoot(bound), offset: 0, size: bytes(bound.shape) };
}

/**
 * The compulsory bytes of a dispatch: each distinct range that it reads once, each that it writes once, padding lanes
 * included, since they are moved too. Reads that a kernel repeats do not count: that is what the roofline shows.
 */
export function bytesOf({ kernel, bind, traffic }: Dispatch): number {
  if (traffic !== undefined) return traffic;
  const accesses = accessesOf(kernel);
  const seen: { owner: object | string; offset: number; way: "read" | "write" }[] = [];
  let total = 0;
  for (const [name, bound] of Object.entries(bind)) {
    const { owner, offset, size } = placeOf(bound);
    const { reads = false, writes = false } = accesses.get(name) ?? {};
    for (const way of [reads && "read", writes && "write"] as const) {
      if (!way || seen.some((one) => one.owner === owner && one.offset === offset && one.way === way)) continue;
      seen.push({ owner, offset, way });
      total += size;
    }
  }
  return total;
}

/** Whether a dispatch gives the same when it is repeated: it reads nothing that it has written. */
export const repeatable = ({ kernel }: Dispatch): boolean =>
  [...accessesOf(kernel).values()].every(({ reads, writes }) => !(reads && writes));
