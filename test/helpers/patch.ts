// Applies a unified diff as strictly as can be: no context is searched for, and every line has to be as the diff says.

/** @param files text by path; only paths that the diff names change */
export function applyDiff(files: ReadonlyMap<string, string>, diff: string): Map<string, string> {
  const after = new Map(files);
  for (const part of diff.split(/^(?=--- )/m)) {
    const [, from = '', to = '', hunks = ''] = /^--- (.*?)\t?\n\+\+\+ (.*?)\t?\n(.*)$/s.exec(part) ?? [];
    const old = split(files.get(to) ?? fail(`unknown file ${to}`));
    if (from !== (old.length === 0 ? '/dev/null' : to)) fail(`from ${from} to ${to}`);
    const fresh: string[] = [];
    let at = 0;
    for (const hunk of hunks.split(/^(?=@@ )/m)) {
      const [, start = '', count = '1', place = '', size = '1', body = ''] =
        /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@.*?\n(.*)$/s.exec(hunk) ?? [];
      const [removed, added] = ['-', '+'].map((sign) => linesWith(sign, body)) as [string[], string[]];
      if (removed.length !== Number(count) || added.length !== Number(size)) fail(`not as many lines: ${hunk}`);
      const line = Number(start) - (removed.length > 0 ? 1 : 0);
      if (removed.join('') === added.join('')) fail(`nothing changes: ${hunk}`);
      if (line < at) fail(`out of order: ${hunk}`);
      fresh.push(...old.slice(at, line));
      if (fresh.length + (added.length > 0 ? 1 : 0) !== Number(place)) fail(`another place: ${hunk}`);
      at = line + removed.length;
      if (old.slice(line, at).join('') !== removed.join('')) fail(`other lines: ${hunk}`);
      fresh.push(...added);
    }
    fresh.push(...old.slice(at));
    if (fresh.slice(0, -1).some((text) => !text.endsWith('\n'))) fail('a line without an end inside');
    after.set(to, fresh.join(''));
  }
  return after;
}

function split(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+/g) ?? [];
}

function linesWith(sign: string, body: string): string[] {
  const lines = split(body.replace(/\n\\ No newline at end of file\n/g, '\0'));
  return lines
    .flatMap((line) => line.split(/(?<=\0)/))
    .filter((line) => line.startsWith(sign))
    .map((line) => line.slice(1).replace('\0', ''));
}

function fail(problem: string): never {
  throw new Error(problem);
}
