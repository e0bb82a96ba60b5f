/** A list in order, in as few parts as `most` elements each allow, all but the last of one length. */
export function portions<T>(list: readonly T[], most: number): T[][] {
  const count = Math.ceil(list.length / most);
  const each = Math.ceil(list.length / count);
  return Array.from({ length: count }, (_, i) => list.slice(i * each, (i + 1) * each));
}
