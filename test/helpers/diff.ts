/** A line with `-` where it is missing, `+` where it is too many. */
export type Signed = readonly [sign: ' ' | '-' | '+', line: string];

/**
 * The shortest way from the expected lines to those that came. A pattern that is undefined stands for any lines, of which the first
 * ones are shown.
 */
export function diff(
  expected: readonly string[],
  patterns: readonly (RegExp | undefined)[],
  got: readonly string[],
): Signed[] {
  const costs = Array.from({ length: expected.length + 1 }, () => new Array<number>(got.length + 1).fill(0));
  const cost = (i: number, j: number) => costs[i]?.[j] ?? Number.POSITIVE_INFINITY;
  const matches = (i: number, j: number) => i < expected.length && j < got.length && patterns[i]?.test(got[j] ?? '');
  const isAny = (i: number) => i < expected.length && patterns[i] === undefined;
  for (let i = expected.length; i >= 0; i--) {
    for (let j = got.length; j >= 0; j--) {
      if (i === expected.length && j === got.length) continue;
      const price = isAny(i) ? 0 : 1;
      const choices = [cost(i + 1, j) + price, cost(i, j + 1) + price];
      if (matches(i, j)) choices.push(cost(i + 1, j + 1));
      (costs[i] ?? [])[j] = Math.min(...choices);
    }
  }
  const lines: Signed[] = [];
  for (let i = 0, j = 0; i < expected.length || j < got.length; ) {
    if (matches(i, j) && cost(i, j) === cost(i + 1, j + 1)) {
      lines.push([' ', expected[i++] ?? '']);
      j++;
    } else if (isAny(i)) {
      if (cost(i, j) === cost(i + 1, j)) lines.push([' ', expected[i++] ?? '']);
      else if (j++ < 12) lines.push([' ', `... ${got[j - 1]}`]);
    } else if (i < expected.length && cost(i, j) === cost(i + 1, j) + 1) lines.push(['-', expected[i++] ?? '']);
    else lines.push(['+', got[j++] ?? '']);
  }
  return lines;
}
