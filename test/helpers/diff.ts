/**
 * What differs, with `-` where a line is missing and `+` where it is too many; nothing where the lines are those expected. A pattern
 * that is undefined stands for any lines.
 */
export function diff(
  expected: readonly string[],
  patterns: readonly (RegExp | undefined)[],
  got: readonly string[],
): string[] {
  const fits = (at: number, line: number) => line < got.length && patterns[at]?.test(got[line] ?? '');
  /** How many of the lines the patterns up to here can stand for, the fewest first. */
  let counts = [0];
  for (const [at, pattern] of patterns.entries()) {
    if (pattern) counts = counts.filter((count) => fits(at, count)).map((count) => count + 1);
    else counts = [...got.keys(), got.length].slice(counts[0] ?? got.length + 1);
  }
  if (counts.includes(got.length)) return [];
  const least = Math.min(expected.length, got.length);
  let start = 0;
  while (start < least && fits(start, start)) start++;
  let end = 0;
  while (start + end < least && fits(expected.length - 1 - end, got.length - 1 - end)) end++;
  return [
    ...expected.slice(0, start).map((line) => `  ${line}`),
    ...expected.slice(start, expected.length - end).map((line) => `- ${line}`),
    ...got.slice(start, got.length - end).map((line) => `+ ${line}`),
    ...expected.slice(expected.length - end).map((line) => `  ${line}`),
  ];
}
