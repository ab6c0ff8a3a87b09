// README.md and examples/README.md: what they tell people to type is typed here, and what they show is compared.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fromIni } from '@aws-sdk/credential-providers';
import { help } from '../lib/args';
import { readCases } from './helpers/cases';
import { devices, seedHome } from './helpers/home';
import { getCallers } from './helpers/network';
import { pathWith } from './helpers/programs';
import { run } from './helpers/run';
import { makeScene, oldSession, person, simple, typed } from './helpers/scene';
import { startSts } from './helpers/sts';
import { missing } from './helpers/which';

const root = join(__dirname, '..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const readme = read('README.md');
const examples = read('examples/README.md');

/** The fenced block of that kind with the phrase. */
function block(text: string, kind: string, phrase: string): string {
  const all = [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)];
  const found = all.find((match) => match[1] === kind && match[2]?.includes(phrase));
  assert.ok(found, `a block with ${phrase}`);
  return found[2] ?? '';
}

const sh = (script: string, program = 'sh') => ({ file: program, args: ['-c', script] });
/** Bob's user, with the sample keys that the README shows. */
const bob = { ...devices.bjohnson, accessKeyId: person.accessKeyId, secretAccessKey: person.secretAccessKey };

test('the README is short, and shows the options exactly as --help prints them', () => {
  assert.equal(block(readme, '', 'Usage:'), help());
  assert.ok(readme.split('\n').length <= 171);
  assert.match(readme, /^ {4}npm ci && npm run demo$/m);
  assert.match(readme, /^ {4}npm ci && npm test$/m);
});

/** What links to the headings of a text end with. */
function anchorsOf(text: string): string[] {
  const headings = [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => heading.toLowerCase());
  return headings.map((heading) => heading.replace(/[^\w -]/g, '').replaceAll(' ', '-'));
}

for (const name of ['README', 'SECURITY', 'CHANGELOG', 'examples/README', 'lib/README', 'test/README']) {
  const path = `${name}.md`;
  test(`every link of ${path} to a file or heading of the repository leads somewhere`, () => {
    for (const [link, file = '', anchor] of read(path).matchAll(/\]\((?!https?:)([^)#]*)#?([^)]*)\)/g)) {
      const target = file ? join(dirname(path), file) : path;
      assert.ok(existsSync(join(root, target)), link);
      if (anchor) assert.ok(anchorsOf(read(target)).includes(anchor), link);
    }
  });
}

test('the set-up: the patch makes one side of the diff from the other, and the role works', {
  skip: missing('patch'),
}, async (t) => {
  const diff = block(readme, 'diff', '-long-term');
  const side = (other: string) => {
    const text = diff.replace(new RegExp(`^[${other}].*\n`, 'gm'), '').replace(/^[ +-]/gm, '');
    const [, credentials = '', config = ''] = text.split(/^# .*\n/m);
    return { credentials, config };
  };
  const scene = await makeScene(t, side('+'), [bob]);
  const { home } = scene;
  const { PATH } = pathWith(t);
  const type = (line: string, stdin = '') => run([], { ...scene, env: { PATH }, stdin, program: sh(line) });
  const patched = await type(/^ {4}(refresh-mfa .* \| patch .*)$/m.exec(readme)?.[1] ?? '');
  assert.equal(patched.status, 0, patched.stdout);
  assert.deepEqual({ credentials: home.readCredentials(), config: readFileSync(home.configPath, 'utf8') }, side('-'));
  assert.equal(home.mode(), 0o600);

  await type('refresh-mfa foobar', typed(bob));
  const [arn = ''] = await getCallers(['baszooDev'], scene);
  assert.match(arn, /:assumed-role\/DeveloperRole\//);

  const everyDay = block(readme, 'sh', '--if-needed').trimEnd().split('\n');
  const says = ['session until', 'is a role of foobar', 'foobar  valid', 'session valid until', 'session removed'];
  assert.equal(everyDay.length, says.length);
  for (const [index, line] of everyDay.entries()) {
    scene.sts.forgetCodes();
    const { stdout, stderr } = await type(line, typed(bob));
    assert.match(stdout + stderr, new RegExp(`${says[index]}`), line);
  }
});

test('the JSON of examples/README.md has the fields that --json prints', async (t) => {
  const { home } = await makeScene(t, simple);
  const { stdout } = await run(['--check', '--json', 'foobar'], { home });
  const fields = (text: string) => Object.keys(JSON.parse(text).sessions[0]);
  assert.deepEqual(fields(stdout), fields(block(examples, 'json', 'sessions')));
});

test('each row of the table of other tools has a case, and no case is without one', () => {
  const [, chapter = ''] = examples.split(/^## (?:Coming from another tool|Recipes)\n/m);
  const tools = [...chapter.matchAll(/^\| (.*?) \|/gm)].map(([, tool = '']) => tool.replaceAll('`', ''));
  const cases = readCases('switchers').map(({ title }) => title.replace(/: .*/, ''));
  assert.deepEqual(tools.slice(2).sort(), cases.sort());
});

test('recipes: terraform behind a valid session, a code through a pipe', async (t) => {
  const sts = await startSts();
  t.after(() => sts.close());
  const home = seedHome(t, sts);
  const { PATH } = pathWith(t, {
    terraform: 'echo "terraform $* as $AWS_PROFILE"',
    pass: `[ "$*" = 'otp aws/bjohnson' ] && echo ${typed(devices.bjohnson)}`,
  });
  const go = (phrase: string) => run([], { home, sts, env: { PATH }, program: sh(block(examples, 'sh', phrase)) });
  const without = await go('terraform plan');
  assert.deepEqual([without.status, without.stdout], [2, '']);
  assert.match((await go('pass otp')).stdout, /^foobar: session until /);
  assert.match((await go('terraform plan')).stdout, /^foobar: session valid until .*\nterraform plan as baszooDev\n$/);
});

test("recipe: the time left in bash's prompt", { skip: missing('bash') }, async (t) => {
  const expires = new Date(Date.now() + 90 * 60_000 + 20_000).toISOString();
  const session = `\n[foobar]\n${oldSession}x_security_token_expires = ${expires}\n`;
  const { home } = await makeScene(t, { ...simple, credentials: simple.credentials + session });
  const { PATH } = pathWith(t);
  const script = `${block(examples, 'sh', 'PS1=')}\nprintf '%s' "\${PS1@P}"`;
  const { stdout, status } = await run([], { home, env: { PATH }, program: sh(script, 'bash') });
  if (status !== 0) return t.skip('this bash is too old to print a prompt by itself');
  assert.match(stdout, /^1 h 30 min [$#] $/);
});

test('questions: a program keeps the keys that it has read, and the keys of a role end after an hour', async (t) => {
  const config = `${simple.config}[profile dev]\nrole_arn = arn:aws:iam::123456789012:role/dev\nsource_profile = foobar\n`;
  const { home, sts } = await makeScene(t, { ...simple, config });
  await run(['foobar'], { home, sts, stdin: typed() });
  const clientConfig = { region: 'us-east-1', endpoint: sts.url };
  const files = { filepath: home.credentialsPath, configFilepath: home.configPath };
  const keysOf = (profile: string) => fromIni({ profile, ...files, clientConfig })();
  const { expiration } = await keysOf('dev');
  assert.equal(Math.round((Number(expiration) - Date.now()) / 60_000), 60);
  home.writeCredentials('');
  assert.equal((await keysOf('foobar')).accessKeyId, sts.sessions[0]?.accessKeyId);
});
