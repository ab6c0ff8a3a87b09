// The one door to stdout and stderr. All text is made printable here, color is added here, and a stream that cannot be written
// (a closed pipe, a full disk) changes neither the job nor its exit status.
import type { Writable } from 'node:stream';
import { printable } from './errors';

/** A colored part of a line; `plain` takes its place where no color is shown. */
export type Part = Readonly<{ text: string; color: keyof typeof codes; plain?: string }>;

export type Text = string | readonly (string | Part)[];

const codes = { red: 31, green: 32, yellow: 33 };

/** Color is shown on a terminal, unless the environment has a `NO_COLOR`. */
export function openStream(stream: Writable & { readonly isTTY?: boolean }, noColor: string | undefined) {
  stream.on('error', () => {});
  const colored = stream.isTTY && !noColor;
  const render = (part: string | Part) => {
    if (typeof part === 'string') return printable(part);
    if (!colored) return printable(part.plain ?? part.text);
    return `\x1b[${codes[part.color]}m${printable(part.text)}\x1b[39m`;
  };
  return (text: Text): void => {
    stream.write([text].flat().map(render).join(''));
  };
}
