// README.md and examples/README.md: what they tell people to type is typed here, and what they show is compared.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { help } from '../lib/args';
import { getCallers } from './helpers/caller';
import { readCases } from './helpers/cases';
import { devices, seedHome } from './helpers/home';
import { pathWith } from './helpers/programs';
import { run } from './helpers/run';
import { makeScene, oldSession, person, simple, typed } from './helpers/scene';
import { startSts, totp } from './helpers/sts';
import { missing } from './helpers/which';

const root = join(__dirname, '..');
const [readme, examples] = ['README.md', 'examples/README.md'].map((path) => readFileSync(join(root, path), 'utf8'));

/** The fenced blocks of one kind. */
function blocks(text = '', kind = ''): string[] {
  const all = [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)];
  return all.filter((match) => match[1] === kind).map((match) => match[2] ?? '');
}

function block(text: string | undefined, kind: string, phrase: string): string {
  const found = blocks(text, kind).find((block) => block.includes(phrase));
  assert.ok(found, `a block with ${phrase}`);
  return found;
}

const sh = (script: string, program = 'sh') => ({ file: program, args: ['-c', script] });
/** Bob's user, with the sample keys that the README shows. */
const bob = { ...devices.bjohnson, accessKeyId: person.accessKeyId, secretAccessKey: person.secretAccessKey };

test('the README is short, and shows the options exactly as --help prints them', () => {
  assert.equal(block(readme, '', 'Usage:'), help());
  assert.ok((readme ?? '').split('\n').length <= 171);
  for (const command of ['npm ci && npm run demo', 'npm ci && npm test']) {
    assert.ok(readme?.includes(`\n    ${command}\n`), command);
  }
});

test('every link to a file or a heading of the repository leads somewhere', () => {
  for (const path of [
    'README.md',
    'examples/README.md',
    'SECURITY.md',
    'CHANGELOG.md',
    'lib/README.md',
    'test/README.md',
  ]) {
    const text = readFileSync(join(root, path), 'utf8');
    for (const [, target = ''] of text.matchAll(/\]\((?!https?:)([^)]+)\)/g)) {
      const [file, anchor] = target.split('#');
      const there = join(root, dirname(path), file || path.replace(/.*\//, ''));
      assert.ok(existsSync(there), `${path}: ${target}`);
      const headings = anchor ? readFileSync(there, 'utf8').match(/^#+ .*$/gm) : [];
      const anchors = headings?.map((line) =>
        line
          .replace(/^#+ /, '')
          .toLowerCase()
          .replace(/[^\w -]/g, '')
          .replaceAll(' ', '-'),
      );
      if (anchor) assert.ok(anchors?.includes(anchor), `${path}: ${target}`);
    }
  }
});

test('the set-up: the patch makes one side of the diff from the other, and the role works', {
  skip: missing('patch'),
}, async (t) => {
  const lines = block(readme, 'diff', '-long-term').trimEnd().split('\n');
  const side = (sign: string) => {
    const kept = lines
      .filter((line) => line[0] === ' ' || line[0] === sign || line === '')
      .map((line) => line.slice(1));
    const [credentials = '', config = ''] = kept
      .join('\n')
      .split(/\n*^# .*\n/m)
      .slice(1);
    return { credentials: `${credentials}\n`, config: `${config}\n` };
  };
  const scene = await makeScene(t, side('-'), [bob]);
  const now = Date.now();
  const [code, ...codes] = [0, 1, -1].map((step) => `${totp(bob.totpSecret, step, now)}\n`);
  const { PATH } = pathWith(t);
  const command = /^ {4}(refresh-mfa .* \| patch .*)$/m.exec(readme ?? '')?.[1] ?? '';
  const patched = await run([], { ...scene, env: { PATH }, program: sh(command) });
  assert.equal(patched.status, 0, patched.stdout);
  assert.equal(scene.home.readCredentials(), side('+').credentials);
  assert.equal(scene.home.mode(), 0o600);
  assert.equal(readFileSync(scene.home.configPath, 'utf8'), side('+').config);
  const { status, stderr } = await run(['foobar'], { ...scene, stdin: code ?? '' });
  assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
  const [arn = ''] = await getCallers(['baszooDev'], scene);
  assert.match(arn, /:assumed-role\/DeveloperRole\//);

  const said: string[] = [];
  for (const [index, line] of block(readme, 'sh', '--if-needed').trimEnd().split('\n').entries()) {
    const options = { ...scene, env: { PATH }, stdin: codes[index] ?? '', program: sh(line) };
    const { stdout, stderr } = await run([], options);
    said.push(`${stdout}${stderr}`);
  }
  const expected = [
    /^foobar: session until /,
    /^foobar: session until .*\n.*baszooDev is a role of foobar/,
    /^foobar {2}valid /,
  ];
  expected.push(/^foobar: session valid until /, /^foobar: session removed /);
  for (const [index, pattern] of expected.entries()) assert.match(said[index] ?? '', pattern);
});

test('the JSON of examples/README.md has the fields that --json prints', async (t) => {
  const { home } = await makeScene(t, simple);
  const { stdout } = await run(['--check', '--json', 'foobar'], { home });
  const fields = (text: string) => Object.keys(JSON.parse(text).sessions[0]);
  assert.deepEqual(fields(stdout), fields(block(examples, 'json', 'sessions')));
});

test('the table of other tools has a case for each row', () => {
  const rows =
    /\| you used \|.*\n.*\n((?:\|.*\n)+)/
      .exec(examples ?? '')?.[1]
      ?.trimEnd()
      .split('\n') ?? [];
  const titles = readCases('switchers').map(({ title }) => title);
  for (const row of rows) {
    const name = row.split('|')[1]?.trim().replaceAll('`', '');
    assert.ok(
      titles.some((title) => title.startsWith(`${name}: `)),
      name,
    );
  }
});

test('recipes: terraform behind a valid session, a code through a pipe', async (t) => {
  const sts = await startSts();
  t.after(() => sts.close());
  const home = seedHome(t, sts);
  const code = typed(devices.bjohnson).trimEnd();
  const { PATH } = pathWith(t, {
    terraform: 'echo "terraform $* as $AWS_PROFILE"',
    pass: `[ "$*" = 'otp aws/bjohnson' ] && echo ${code}`,
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
  const scene = await makeScene(t, { ...simple, config });
  await run(['foobar'], { ...scene, stdin: typed() });
  const { PATH } = pathWith(t);
  const script = `
    const { fromIni } = require(${JSON.stringify(require.resolve('@aws-sdk/credential-providers'))});
    const id = async (profile) => (await fromIni({ profile })()).accessKeyId;
    (async () => {
      const role = await fromIni({ profile: 'dev', clientConfig: { region: 'us-east-1' } })();
      console.log(Math.round((role.expiration - Date.now()) / 60_000));
      const before = await id('foobar');
      require('node:child_process').execSync('refresh-mfa --token-code $CODE foobar');
      console.log(before === await id('foobar'), before);
    })();`;
  const env = { PATH, CODE: totp(person.totpSecret, 1) };
  const { stdout, stderr } = await run(['-e', script], {
    ...scene,
    env,
    program: { file: process.execPath, args: [] },
  });
  assert.equal(stdout, `60\ntrue ${scene.sts.sessions[0]?.accessKeyId}\n`, stderr);
  assert.ok(scene.home.readCredentials().includes(`${scene.sts.sessions.at(-1)?.accessKeyId}`));
});
