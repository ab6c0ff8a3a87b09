// In the shells themselves: what a person types before TAB, and the words that the command is then run with.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { options } from '../lib/args';
import { type Home, makeHome } from './helpers/home';
import { pathWith } from './helpers/programs';
import { type Command, run } from './helpers/run';
import { openTerminal, type Terminal, terminalMissing } from './helpers/terminal';
import { missing } from './helpers/which';

const shells = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof shells)[number];

/** Whatever botocore reads as the name of a section, most of it special to some shell. */
const names = [
  'plain',
  'my account',
  'my admin',
  "it's",
  'say "hi"',
  'cash$HOME',
  'back\\slash',
  'tick`date`',
  'a:b c:d',
  'eq=ual',
  'user@home',
  'new!event',
  "!it's",
  'one;two&three|four',
  'less<more>',
  'star*?',
  'list[x]',
  '{p,q}',
  '(r)',
  '~bob',
  '#number',
  'café crème',
  '東京',
  '-dash',
];

/** What is typed, and the name that comes of it. */
const typed: readonly (readonly [text: string, name: string])[] = [
  ['p', 'plain'],
  ['my\\ ac', 'my account'],
  ['"my ac', 'my account'],
  ["'my ac", 'my account'],
  ["my' 'ac", 'my account'],
  ["m'y a'c", 'my account'],
  ['it', "it's"],
  ['"it', "it's"],
  ["'it", "it's"],
  ['sa', 'say "hi"'],
  ['"sa', 'say "hi"'],
  ["'sa", 'say "hi"'],
  ['cas', 'cash$HOME'],
  ['"cas', 'cash$HOME'],
  ['ba', 'back\\slash'],
  ['"ba', 'back\\slash'],
  ["'back\\", 'back\\slash'],
  ['t', 'tick`date`'],
  ['"t', 'tick`date`'],
  ['a:', 'a:b c:d'],
  ['a:b\\ c:', 'a:b c:d'],
  ['"a:b c:', 'a:b c:d'],
  ['eq=', 'eq=ual'],
  ['user@', 'user@home'],
  ['ne', 'new!event'],
  ['"ne', 'new!event'],
  ["'!", "!it's"],
  ["'!it", "!it's"],
  ['one', 'one;two&three|four'],
  ['le', 'less<more>'],
  ['st', 'star*?'],
  ['li', 'list[x]'],
  ["'{", '{p,q}'],
  ["'(", '(r)'],
  ["'~", '~bob'],
  ["'#", '#number'],
  ['caf', 'café crème'],
  ['東', '東京'],
  ['-- -', '-dash'],
];

interface Place {
  readonly home: Home;
  readonly env: Readonly<Record<string, string>>;
}

/** A home with profiles of all names, and a PATH on which the tool names them, but else shows its words. */
function setUp(t: TestContext): Place {
  const home = makeHome(t, {
    config: '[profile source]\noutput = json\n',
    credentials: names.map((name) => `[${name}]\nsource_profile = source\n`).join('\n'),
  });
  // The tool is asked once a home, since the tests press TAB very often.
  const { folder } = pathWith(t);
  const script = `if [ "$*" = '--completion names' ]; then
    [ -f ~/names ] || '${folder}/refresh-mfa' "$@" >~/names
    exec cat ~/names
  fi
  printf '<%s>' "$@"
  echo .`;
  const { PATH } = pathWith(t, { 'refresh-mfa': script });
  writeFileSync(join(home.path, 'file-in-the-folder'), '');
  // Macs had no C.UTF-8 for long, and shells take what is typed byte by byte without it.
  const LC_ALL = process.platform === 'darwin' ? 'en_US.UTF-8' : 'C.UTF-8';
  return { home, env: { PATH, LC_ALL, PS1: 'ready> ', PROMPT: 'ready> ' } };
}

const interactive: Readonly<Record<Shell, { readonly program: Command; readonly setUp: string }>> = {
  bash: {
    program: { file: 'bash', args: ['--noprofile', '--norc', '-i'] },
    setUp: 'eval "$(cat script)"',
  },
  zsh: {
    program: { file: 'zsh', args: ['-f', '-i'] },
    setUp: 'autoload -U compinit; compinit -D -u; eval "$(cat script)"',
  },
  fish: {
    program: { file: 'fish', args: ['--no-config', '-i'] },
    setUp: 'cat script | source',
  },
};

async function openShell(t: TestContext, shell: Shell): Promise<Terminal> {
  const { program, setUp: line } = interactive[shell];
  const place = setUp(t);
  const { stdout } = await run(['--completion', shell], place);
  writeFileSync(join(place.home.path, 'script'), stdout);
  const terminal = openTerminal(t, [], { ...place, program, cols: 160 });
  terminal.type(`${line}; echo set-"up"\r`);
  await terminal.waitFor('set-up');
  return terminal;
}

/** Types it behind the command, and gives the words that the command got. */
async function wordsAfter(terminal: Terminal, text: string): Promise<string> {
  terminal.type(`refresh-mfa ${text}\r`);
  const shown = await terminal.waitFor(/^<.*>\.$/m);
  return shown.slice(0, -1);
}

for (const shell of shells) {
  const skip = missing(shell) || terminalMissing;

  test(`${shell} completes a name as one word, whatever it holds and in whatever quotes it was begun`, {
    skip,
  }, async (t) => {
    const terminal = await openShell(t, shell);
    const rows = [];
    for (const [text] of typed) rows.push([text, await wordsAfter(terminal, `${text}\t`)]);
    assert.deepEqual(
      rows,
      typed.map(([text, name]) => [text, text.startsWith('-- ') ? `<--><${name}>` : `<${name}>`]),
    );
  });

  test(`${shell} completes options and the shells, and no file and no name in place of another value`, {
    skip,
  }, async (t) => {
    const terminal = await openShell(t, shell);
    const rows = {
      '--ch\t': '<--check>',
      '--if\tp\t': '<--if-needed><plain>',
      '--completion f\t': '<--completion><fish>',
      '--completion=z\t': '<--completion=zsh>',
      '--duration p\t': '<--duration><p>',
      '-d p\t': '<-d><p>',
      '--token-code fil\t': '<--token-code><fil>',
      '-nw p\t': '<-nw><p>',
      'fil\t': '<fil>',
      'plain my\\ ad\t': '<plain><my admin>',
      '-- --ch\t': '<--><--ch>',
    };
    for (const [text, words] of Object.entries(rows)) assert.equal(await wordsAfter(terminal, text), words);
  });
}

test('bash lists all that fits, and options only behind a dash', { skip: missing('bash') }, async (t) => {
  const place = setUp(t);
  const lines: Readonly<Record<string, readonly string[]>> = {
    my: ['my account', 'my admin'],
    '--check my\\ a': ['my account', 'my admin'],
    'a:b ': names.filter((name) => name !== '-dash'),
    '-- ': names,
    '-': options.flatMap(({ name, short }) => (short ? [`--${name}`, `-${short}`] : [`--${name}`])),
    '--n': ['--notify'],
    '--completion ': shells,
    '--within ': [],
    '--within=': [],
    '-cw ': [],
    'nothing-like-it': [],
  };
  // The lists are read by the shell again, as they would be if they were typed.
  const ask = `COMP_LINE="refresh-mfa $1" COMP_POINT=$((\${#1} + 12))
    _refresh_mfa refresh-mfa "$2" ''
    eval "set -- \${COMPREPLY[*]}"
    for word; do printf '%s\\n' "$word"; done`;
  const { stdout: script } = await run(['--completion', 'bash'], place);
  for (const [line, expected] of Object.entries(lines)) {
    const [text = ''] = /(?:\\.|[^ ])*$/.exec(line) ?? [];
    const program = { file: 'bash', args: ['-c', `${script}\n${ask}`, 'bash'] };
    const { stdout, stderr } = await run([line, text], { ...place, program });
    assert.deepEqual({ line, stderr, words: stdout.split('\n').slice(0, -1) }, { line, stderr: '', words: expected });
  }
});

test('zsh shows what each option does', { skip: missing('zsh') || terminalMissing }, async (t) => {
  const terminal = await openShell(t, 'zsh');
  terminal.type('refresh-mfa --\t');
  for (const { help } of options) await terminal.waitFor(help, { from: 'start' });
});

test('fish says what each option does, and nothing behind a name', { skip: missing('fish') }, async (t) => {
  const place = setUp(t);
  const { stdout: script } = await run(['--completion', 'fish'], place);
  const complete = async (line: string) => {
    const program = { file: 'fish', args: ['--no-config', '--command', `${script}\ncomplete -C $argv[1]`] };
    const { stdout } = await run([line], { ...place, program });
    return stdout.split('\n').slice(0, -1).sort();
  };
  const long = options.map(({ name, help }) => `--${name}\t${help}`);
  assert.deepEqual(await complete('refresh-mfa --'), long.sort());
  assert.deepEqual(await complete('refresh-mfa my'), ['my account\tprofile', 'my admin\tprofile']);
});
