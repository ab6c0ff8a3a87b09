// In the shells themselves: what a person types before TAB, and the words that the command is then run with.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { options } from '../lib/args';
import { namesText, scripts } from '../lib/completion';
import { makeHome } from './helpers/home';
import { pathWith } from './helpers/programs';
import { run } from './helpers/run';
import { openTerminal, terminalMissing } from './helpers/terminal';
import { missing } from './helpers/which';

const shells = ['bash', 'zsh', 'fish'] as const;
const plain = ['plain', 'my-account', 'my-admin', 'a:b', 'a:bc', 'eq=ual', 'user@home', 'x.y/z', '10%', 'a+b', 'Älter'];
const offered = plain.filter((name) => name !== 'Älter');

test('only names that are one plain word to every shell are offered', () => {
  const hostile = [
    ...['my account', "it's", 'say"hi"', 'cash$HOME', '$(touch ran)', 'back\\slash', 'tick`touch ran`', 'new!event'],
    ...['one;two', 'a&b', 'a|b', 'less<more>', 'star*', 'what?', 'list[x]', '{p,q}', '(r)', '~bob', '#number', 'a^b'],
    ...['-dash', '--check', '', 'caf\u00e9', '\u6771\u4eac', 'line\nbreak', 'tab\there', 'escape\x1b[2J', 'comma,dot'],
  ];
  assert.equal(namesText([...hostile, ...plain, ...hostile]), offered.map((name) => `${name}\n`).join(''));
});

/** A PATH on which the tool tells the names, and else shows the words that it was run with; and a file that nobody wants. */
function setUp(t: TestContext) {
  const home = makeHome(t);
  writeFileSync(join(home.path, 'names'), namesText(plain));
  writeFileSync(join(home.path, 'file-in-the-folder'), '');
  for (const shell of shells) writeFileSync(join(home.path, `script.${shell}`), scripts[shell](options));
  const tool = `[ "$*" = '--completion names' ] && exec cat ~/names
  printf '<%s>' "$@"
  echo .`;
  const { PATH } = pathWith(t, { 'refresh-mfa': tool });
  return { home, env: { PATH, PS1: 'ready> ', PROMPT: 'ready> ' } };
}

const interactive = {
  bash: { args: ['--noprofile', '--norc', '-i'], setUp: 'eval "$(cat script.bash)"' },
  zsh: { args: ['-f', '-i'], setUp: 'autoload -U compinit; compinit -D -u; eval "$(cat script.zsh)"' },
  fish: { args: ['--no-config', '-i'], setUp: 'cat script.fish | source' },
} as const;

/** What is typed, and the words that come of it. */
const typed: readonly (readonly [text: string, words: string])[] = [
  ['pl\t', '<plain>'],
  ['a:bc\t', '<a:bc>'],
  ['eq\t', '<eq=ual>'],
  ['user@\t', '<user@home>'],
  ['plain my-ad\t', '<plain><my-admin>'],
  ['--profile us\t', '<--profile><user@home>'],
  ['--profile=us\t', '<--profile=user@home>'],
  ['-p plain -p us\t', '<-p><plain><-p><user@home>'],
  ['-- pl\t', '<--><plain>'],
  ['--if\tp\t', '<--if-needed><plain>'],
  ['-c pl\t', '<-c><plain>'],
  ['--completion f\t', '<--completion><fish>'],
  ['--completion=z\t', '<--completion=zsh>'],
  // no name, no option and no file in place of another value
  ['--duration p\t', '<--duration><p>'],
  ['--duration=p\t', '<--duration=p>'],
  ['-d p\t', '<-d><p>'],
  ['-nw p\t', '<-nw><p>'],
  ['--token-code fil\t', '<--token-code><fil>'],
  ['fil\t', '<fil>'],
  ['-- --ch\t', '<--><--ch>'],
  ['Äl\t', '<Äl>'],
  // the word is not what stands behind the last blank
  ['my\\ a\t', '<my a>'],
  ['"my a\t"', '<my a>'],
  ["'my a\t'", '<my a>'],
];

for (const shell of shells) {
  test(`${shell} completes names, options and the shells, and nothing else`, {
    skip: missing(shell) || terminalMissing,
  }, async (t) => {
    const { args, setUp: line } = interactive[shell];
    const terminal = openTerminal(t, [], { ...setUp(t), program: { file: shell, args }, cols: 160 });
    terminal.type(`${line}; echo set-"up"\r`);
    await terminal.waitFor('set-up');
    const rows = [];
    for (const [index, [text]] of typed.entries()) {
      terminal.type(`refresh-mfa ${text}\r`);
      rows.push([text, (await terminal.waitFor(/^<.*>\.$/m, index + 1)).slice(0, -1)]);
    }
    assert.deepEqual(rows, typed);
    if (shell !== 'zsh') return;
    // bash has no descriptions, and fish is asked for them below
    terminal.type('refresh-mfa --\t');
    for (const { help } of options) await terminal.waitFor(help);
  });
}

test('bash lists all that fits, and options only behind a dash', { skip: missing('bash') }, async (t) => {
  const lists: readonly (readonly [line: string, words: readonly string[]])[] = [
    ['', offered],
    ['my', ['my-account', 'my-admin']],
    ['-- ', offered],
    ['--profile ', offered],
    ['-', options.flatMap(({ name, short }) => (short ? [`--${name}`, `-${short}`] : [`--${name}`]))],
    ['--n', ['--notify']],
    ['--completion ', shells],
    // what is quoted is not completed
    ...['--within ', '--within=', '-cw ', 'nothing-like-it', '*', '"pl', "'pl"].map((line) => [line, []] as const),
  ];
  const ask = `source script.bash
    for line; do
      COMP_LINE="refresh-mfa $line" COMP_POINT=$((\${#line} + 12))
      _refresh_mfa refresh-mfa "\${line##*[ =]}" ''
      echo "[$line] \${COMPREPLY[*]}"
    done`;
  const program = { file: 'bash', args: ['-c', ask, 'bash'] };
  const lines = lists.map(([line]) => line);
  const { stdout, stderr } = await run(lines, { ...setUp(t), program });
  const shown = lists.map(([line, words]) => `[${line}] ${words.join(' ')}\n`);
  assert.deepEqual([stdout, stderr], [shown.join(''), '']);
});

test('fish says what each option does', { skip: missing('fish') }, async (t) => {
  const ask = 'source script.fish; for line in $argv; complete -C "refresh-mfa $line"; end';
  const program = { file: 'fish', args: ['--no-config', '--command', ask] };
  const { stdout } = await run(['--', '--', '--completion ', 'my'], { ...setUp(t), program });
  const completion = options.find(({ name }) => name === 'completion')?.help;
  const words = [
    ...options.map(({ name, help }) => `--${name}\t${help}`),
    ...shells.map((shell) => `${shell}\t${completion}`),
    ...['my-account\tprofile', 'my-admin\tprofile'],
  ];
  assert.deepEqual(stdout.split('\n').slice(0, -1).sort(), words.sort());
});
