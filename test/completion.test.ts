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

const plain = ['plain', 'my-account', 'my-admin', 'a:b', 'a:bc', 'eq=ual', 'user@home', 'x.y/z', '10%', 'a+b', 'Älter'];
const offered = plain.filter((name) => name !== 'Älter');
/** For a session with the first name, whose roles have the others. */
const textOf = ([name = '', ...roles]: readonly string[]) => namesText([{ name, roles }]);

test('only names that are one plain word to every shell are offered', () => {
  const hostile = [
    ...['my account', "it's", 'say"hi"', 'cash$HOME', '$(touch ran)', 'back\\slash', 'tick`touch ran`', 'new!event'],
    ...['one;two', 'a&b', 'a|b', 'less<more>', 'star*', 'what?', 'list[x]', '{p,q}', '(r)', '~bob', '#number', 'a^b'],
    ...['=cat', '--check', '', 'caf\u00e9', '\u6771\u4eac', 'line\nbreak', 'tab\there', 'escape\x1b[2J', 'comma,dot'],
  ];
  assert.equal(textOf([...hostile, ...plain, ...hostile]), offered.map((name) => `${name}\n`).join(''));
});

/** A PATH on which the tool tells the names, and else shows the words that it was run with; and a file that nobody wants. */
function setUp(t: TestContext) {
  const home = makeHome(t);
  writeFileSync(join(home.path, 'names'), textOf(plain));
  writeFileSync(join(home.path, 'file-in-the-folder'), '');
  for (const [shell, script] of Object.entries(scripts)) {
    writeFileSync(join(home.path, `script.${shell}`), script(options));
  }
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
};

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
  ['my\\ eq\t', '<my eq>'],
  ['"my eq\t"', '<my eq>'],
  ["'my eq\t'", '<my eq>'],
];

for (const [shell, { args, setUp: line }] of Object.entries(interactive)) {
  test(`${shell} completes names, options and the shells, and nothing else`, {
    skip: missing(shell) || terminalMissing,
  }, async (t) => {
    const terminal = openTerminal(t, [], { ...setUp(t), program: { file: shell, args }, cols: 160 });
    terminal.type(`${line}; echo set-"up"\r`);
    await terminal.waitFor('set-up');
    const rows = [];
    for (const [index, [text]] of typed.entries()) {
      terminal.type(`refresh-mfa ${text}\r`);
      rows.push([text, (await terminal.waitFor(/^<.*>\.$/m, index + 1)).slice(0, -1)]);
    }
    assert.deepEqual(rows, typed);
    if (shell === 'bash') return;
    // it has no descriptions
    terminal.type('refresh-mfa --\t');
    for (const { help } of options) await terminal.waitFor(help);
    if (shell === 'zsh') return;
    terminal.type('\u0015refresh-mfa my\t');
    await terminal.waitFor('my-admin  (profile)');
  });
}

test('bash lists all that fits, options only behind a dash, and nothing behind a quote', {
  skip: missing('bash'),
}, async (t) => {
  const script = `source script.bash
    for line in '' - '*' '"pl' "'pl"; do
      COMP_LINE="refresh-mfa $line" COMP_POINT=$((12 + \${#line}))
      _refresh_mfa refresh-mfa "$line" refresh-mfa
      echo "\${COMPREPLY[*]}"
    done`;
  const { stdout, stderr } = await run([], { ...setUp(t), program: { file: 'bash', args: ['-c', script] } });
  const words = `--profile -p --duration -d --token-code -t --serial-number -s --check -c --if-needed -n --within -w
    --json --notify --clear --completion --help -h --version -V`;
  assert.deepEqual([stdout, stderr], [`${offered.join(' ')}\n${words.replace(/\s+/g, ' ')}\n\n\n\n`, '']);
});
