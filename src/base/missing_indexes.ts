/**
 * Which batches of a request are not there.
 * @module
 */

/** At most so many missing indexes are named; the count says how many there are. */
export const maxMissingNamed = 1000;

/**
 * The gaps below the highest index, and up to `total` where it is known.
 * @param indexes Ascending, none twice.
 * @param total Declared number of batches, or -1.
 * @returns the first {@link maxMissingNamed} of them, and how many there are
 */
export function missingIndexes(indexes: Float64Array, total: number): { missing: number[]; count: number } {
  const missing: number[] = [];
  let count = 0, expected = 0;
  const gap = (end: number): void => {
    count += Math.max(0, end - expected);
    for (; expected < end && missing.length < maxMissingNamed; expected++) missing.push(expected);
  };
  for (const index of indexes) {
    gap(index);
    expected = index + 1;
  }
  gap(total);
  return { missing, count };
}
