// Draws examples/demo.svg: records `npm run demo` on a terminal, where a script types the code, and draws the last screen.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { IBufferCell, IBufferLine } from '@xterm/headless';
import { makeHome } from '../test/helpers/home';
import { openTerminal, type Terminal, type TerminalOptions } from '../test/helpers/terminal';

const columns = 84;
/** More than the demo writes, so that nothing scrolls. */
const rows = 50;
const [cellWidth, cellHeight, margin] = [8.4, 20, 20];
const background = '#161b22';
const foreground = '#d1d7e0';
/** The eight colors of a terminal, and their bright forms. */
const palette = [
  ...['#484f58', '#ff7b72', '#3fb950', '#d29922', '#58a6ff', '#bc8cff', '#39c5cf', '#b1bac4'],
  ...['#6e7681', '#ffa198', '#56d364', '#e3b341', '#79c0ff', '#d2a8ff', '#56d4dd', '#ffffff'],
];

/** Runs the demo to its end, and gives the screen that it leaves behind. */
export async function record(t: TestContext, env: Readonly<Record<string, string>>): Promise<Terminal['screen']> {
  const options: TerminalOptions = {
    home: makeHome(t),
    cwd: join(__dirname, '..'),
    program: { file: process.execPath, args: ['--import', 'tsx', join(__dirname, 'demo.ts')] },
    env,
    cols: columns,
    rows,
  };
  const terminal = openTerminal(t, [], options);
  const shown = await terminal.waitFor(/OTP for foobar[\s\S]*shows \d{6}/);
  terminal.type(`${shown.slice(-6)}\r`);
  if ((await terminal.exit) !== 0) throw new Error(`the demo failed:\n${terminal.text()}`);
  return terminal.screen;
}

/** The screen as an SVG with a background of its own, so that it suits any page. */
export function draw({ buffer: { active } }: Terminal['screen']): string {
  const lines = Array.from({ length: rows }, (_, row) => drawLine(active.getLine(row), row));
  const last = lines.findLastIndex((line) => line !== '');
  const [width, height] = [columns * cellWidth + 2 * margin, (last + 1) * cellHeight + 2 * margin];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" font-size="14" font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace">
<title>A terminal: refresh-mfa asks for one code and writes the session; a role profile then works</title>
<rect x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8" fill="${background}" stroke="#6e7681"/>
${lines.filter((line) => line !== '').join('\n')}
</svg>
`;
}

/** One row; its length is fixed, so that columns meet whatever font a reader has. */
function drawLine(line: IBufferLine | undefined, row: number): string {
  const text = line?.translateToString(true) ?? '';
  if (!line || text.trim() === '') return '';
  const runs: { style: string; text: string }[] = [];
  for (let column = 0; column < text.length; column++) {
    const cell = line.getCell(column);
    if (!cell) break;
    const style = styleOf(cell);
    const run = runs.at(-1);
    if (run?.style === style) run.text += cell.getChars() || ' ';
    else runs.push({ style, text: cell.getChars() || ' ' });
  }
  const spans = runs.map((run) =>
    run.style === '' ? escapeXml(run.text) : `<tspan${run.style}>${escapeXml(run.text)}</tspan>`,
  );
  const y = margin + row * cellHeight + 15;
  const width = (text.length * cellWidth).toFixed(1);
  return `<text x="${margin}" y="${y}" textLength="${width}" fill="${foreground}" xml:space="preserve">${spans.join('')}</text>`;
}

function styleOf(cell: IBufferCell): string {
  const color = cell.isFgPalette() ? palette[cell.getFgColor()] : undefined;
  return [
    color && ` fill="${color}"`,
    cell.isBold() && ' font-weight="bold"',
    cell.isDim() && ' opacity="0.6"',
    cell.isUnderline() && ' text-decoration="underline"',
  ]
    .filter(Boolean)
    .join('');
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** A time zone where it is eight in the morning, when the code of the day is typed. */
function findMorning(): string {
  const behind = new Date().getUTCHours() - 8;
  const hours = behind > 12 ? behind - 24 : behind;
  return `Etc/GMT${hours < 0 ? '' : '+'}${hours}`;
}

async function main(): Promise<void> {
  const endings: (() => void | Promise<void>)[] = [];
  // the helpers want nothing of a test but its end
  const t = { after: (end: () => void) => endings.unshift(end) } as unknown as TestContext;
  try {
    writeFileSync(join(__dirname, 'demo.svg'), draw(await record(t, { TZ: findMorning() })));
  } finally {
    for (const end of endings) await end();
  }
}

if (require.main === module) {
  main().catch((error) => {
    process.stderr.write(`${error}\n`);
    process.exitCode = 1;
  });
}
