/** What JSON.parse does not tell: keys that come twice in an object, of which it keeps the last, and the nesting. */

/** A key that comes twice in one object. `parent`: the key under which that object stands; undefined at the top. */
export interface RepeatedKey {
  key: string;
  parent: string | undefined;
}

interface Level {
  /** Keys so far; undefined in a list. */
  keys: Set<string> | undefined;
  name: string | undefined;
}

/** How deep lists and objects stand in each other at most, as far as the text is JSON. */
export function jsonDepth(text: string): number {
  let depth = 0;
  let most = 0;
  for (let at = 0; at < text.length; at++) {
    const c = text.charCodeAt(at);
    if (c === QUOTE) at = stringEnd(text, at);
    else if (c === OPEN_OBJECT || c === OPEN_LIST) most = Math.max(most, ++depth);
    else if (c === CLOSE_OBJECT || c === CLOSE_LIST) depth--;
  }
  return most;
}

/** The first key that comes twice in one object of a text that is JSON. */
export function repeatedKey(text: string): RepeatedKey | undefined {
  const levels: Level[] = [];
  let lastKey: string | undefined;
  for (let at = 0; at < text.length; at++) {
    const c = text.charCodeAt(at);
    if (c === QUOTE) {
      const end = stringEnd(text, at);
      const level = levels.at(-1);
      if (level?.keys && followedByColon(text, end + 1)) {
        // Two spellings can mean one key, with escapes.
        const key = JSON.parse(text.slice(at, end + 1)) as string;
        if (level.keys.has(key)) return { key, parent: level.name };
        level.keys.add(key);
        lastKey = key;
      }
      at = end;
    } else if (c === OPEN_OBJECT) levels.push({ keys: new Set(), name: levels.length ? lastKey : undefined });
    else if (c === OPEN_LIST) levels.push({ keys: undefined, name: lastKey });
    else if (c === CLOSE_OBJECT || c === CLOSE_LIST) levels.pop();
  }
  return undefined;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;

/** Where the string ends that begins at `at`: its closing quotation mark, or the text's end. */
function stringEnd(text: string, at: number): number {
  for (let end = at + 1; end < text.length; end++) {
    const c = text.charCodeAt(end);
    if (c === BACKSLASH) end++;
    else if (c === QUOTE) return end;
  }
  return text.length;
}

function followedByColon(text: string, at: number): boolean {
  let next = at;
  while (next < text.length && text.charCodeAt(next) <= 0x20) next++;
  return text.charCodeAt(next) === COLON;
}
