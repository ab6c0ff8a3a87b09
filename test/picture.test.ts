// examples/demo.svg shows what the demo says now: it is recorded and drawn again, and what differs from run to run is a word.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { draw, record } from '../examples/picture';
import { command } from './helpers/run';
import { terminalMissing } from './helpers/terminal';

const svg = readFileSync(join(__dirname, '../examples/demo.svg'), 'utf8');
const words: readonly (readonly [RegExp, string])[] = [
  [/textLength="[\d.]+"/, 'textLength'],
  [/(<\/tspan> )\d{6}</, '$1CODE<'],
  [/until (tomorrow )?\d\d:\d\d/, 'until TIME'],
  [/ = .{4}…/, ' = KEY…'],
  [/ = \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/, ' = TIME'],
  [/botocore-session-\d+/, 'SESSION'],
];

function rowsOf(picture: string): string[] {
  const rows = picture.split('\n').filter((line) => line.startsWith('<text'));
  return rows.map((row) => words.reduce((text, [pattern, word]) => text.replace(pattern, word), row));
}

test('the picture shows what a person sees who types the code', { skip: terminalMissing }, async (t) => {
  const { file, args } = command();
  // without the aws command, which would cost more than all the rest
  const env = { REFRESH_MFA_BIN: args[0] ?? file, PATH: '/usr/bin:/bin' };
  const now = rowsOf(draw(await record(t, env)));
  const shown = rowsOf(svg);
  assert.ok(now.some((row) => row.includes('<tspan fill="#3fb950">✓ </tspan>foobar: session until TIME')));
  assert.ok(!now.some((row) => row.includes('the device')));
  const end = shown.findIndex((row) => row.includes('>$ aws --profile baszooDev sts get-caller-identity'));
  assert.match(shown[end + 1] ?? '', /assumed-role\/DeveloperRole\/SESSION/);
  assert.deepEqual(now.slice(0, end), shown.slice(0, end), 'to draw it again: npm run picture');
});

test('the picture loads nothing and runs nothing', () => {
  assert.doesNotMatch(svg, /<(?!\/?(svg|title|rect|text|tspan)\b)/);
  assert.doesNotMatch(svg, /href|url\(|\son\w+=/);
});
