/**
 * Uniform numbers in [0, 1) that every library gets: a 32-bit counter through the finaliser of MurmurHash3.
 * @param {number} count
 * @param {number} seed
 * @returns {Float32Array}
 */
export function uniform(count, seed) {
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    let h = Math.imul(i + 1, 0x9e3779b1) ^ Math.imul(seed, 0x85ebca77);
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    values[i] = ((h ^ (h >>> 16)) >>> 8) / 2 ** 24;
  }
  return values;
}
