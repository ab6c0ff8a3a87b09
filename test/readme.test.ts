import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { help } from '../lib/args';
import { devices, makeHome, seedHome } from './helpers/home';
import { readPackage } from './helpers/packages';
import { pathWith } from './helpers/programs';
import { run } from './helpers/run';
import { startSts, totp } from './helpers/sts';

const root = join(__dirname, '..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');

function chapter(title: string): string {
  const found = readme.split(/^## /m).find((text) => text.startsWith(`${title}\n`));
  assert.ok(found, `README.md has a chapter "${title}"`);
  return found;
}

/** The fenced blocks of one kind below a chapter's title. */
function blocks(title: string, kind: string): string[] {
  return [...chapter(title).matchAll(new RegExp(`^\`\`\`${kind}\\n([^]*?)^\`\`\`$`, 'gm'))].map(
    (match) => match[1] ?? '',
  );
}

test('the README shows the options exactly as --help prints them', () => {
  assert.equal(blocks('Options', '')[0], help());
});

test('the README names the two commands of a first visit', () => {
  for (const command of ['npm ci && npm run demo', 'npm ci && npm test', 'npm ci && npm install --global .']) {
    assert.match(readme, new RegExp(`^    ${command.replaceAll('.', '\\.')}$`, 'm'));
  }
});

test('the README has a line for every file of the program', () => {
  const listed = chapter('How it works');
  for (const name of readdirSync(join(root, 'lib'))) assert.ok(listed.includes(`\`lib/${name}\``), name);
});

test('the README says of every runtime package, and of no other, why it is there', () => {
  const [, table = ''] = /^\| package \| why \|\n\| --- \| --- \|\n((?:\|.*\n)+)/m.exec(chapter('How it works')) ?? [];
  const rows = [...table.matchAll(/^\| `([^`]+)` \| (.*) \|$/gm)];
  assert.deepEqual(rows.map(([, name]) => name).sort(), Object.keys(readPackage().dependencies).sort());
  for (const [, name, why = ''] of rows) assert.ok(why.split(/\s+/).length > 3, `${name}: "${why}" is no reason`);
});

for (const [layout, index] of [
  ['with source_profile', 0],
  ['with -long-term', 2],
] as const) {
  test(`the set-up ${layout} works as the README prints it`, async (t) => {
    const [config, credentials] = blocks('Set up', 'ini').slice(index, index + 2);
    const sts = await startSts();
    t.after(() => sts.close());
    sts.addUser(devices.bjohnson);
    const home = makeHome(t, { config: config ?? '', credentials: credentials ?? '' });
    const result = await run(['baszooDev'], { home, sts, stdin: `${totp(devices.bjohnson.totpSecret)}\n` });
    assert.equal(result.status, 0, result.stderr);
    assert.ok(home.readCredentials().startsWith(`${credentials}\n[foobar]\naws_access_key_id = ASIA`));
  });
}

test('the JSON of the README has the fields that --json prints', async (t) => {
  const sts = await startSts();
  t.after(() => sts.close());
  const home = seedHome(t, sts);
  const { stdout } = await run(['--check', '--json', 'foobar'], { home });
  const [shown] = blocks('`--check`', 'json');
  const fields = (text: string) => Object.keys(JSON.parse(text).sessions[0]);
  assert.deepEqual(fields(stdout), fields(shown ?? ''));
});

const recipes = blocks('In scripts', 'sh');
const recipe = (phrase: string) => {
  const found = recipes.find((text) => text.includes(phrase));
  assert.ok(found, `a recipe with ${phrase}`);
  return found;
};
const bash = (script: string) => ({ file: 'bash', args: ['-c', script] });

test('recipe: terraform runs behind a session that lasts, and does not without one', async (t) => {
  const sts = await startSts();
  t.after(() => sts.close());
  const home = seedHome(t, sts);
  const { PATH } = pathWith(t, { terraform: 'echo "terraform $* as $AWS_PROFILE"' });
  const script = recipe('terraform plan');
  const go = (stdin?: string) => run([], { home, sts, env: { PATH }, program: bash(script), ...(stdin && { stdin }) });
  const without = await go();
  assert.equal(without.status, 2);
  assert.doesNotMatch(without.stdout, /terraform/);
  const first = await go(`${totp(devices.bjohnson.totpSecret)}\n`);
  assert.match(first.stdout, /^terraform plan as baszooDev$/m, first.stderr);
  const second = await go();
  assert.match(second.stdout, /^foobar: session valid until .*\nterraform plan as baszooDev\n$/);
  assert.equal(second.stderr, '');
  assert.equal(sts.calls.length, 1);
});

test('recipe: the prompt shows the time left', async (t) => {
  const expires = new Date(Date.now() + 90 * 60_000 + 20_000).toISOString().replace(/\.\d+Z/, 'Z');
  const home = makeHome(t, {
    config: '[profile foobar]\nsource_profile = FoobarAccount\n',
    credentials: `[foobar]\naws_session_token = FwoGZXIvYXdzEXAMPLETOKEN\nx_security_token_expires = ${expires}\n`,
  });
  const { PATH } = pathWith(t);
  const script = `${recipe('PS1=')}\nprintf '%s' "\${PS1@P}"`;
  const { stdout, status } = await run([], { home, env: { PATH }, program: bash(script) });
  if (status !== 0) return t.skip('this bash is too old to print a prompt by itself');
  assert.match(stdout, /^ ?1 h 30 min [$#] $/);
});

test('recipe: a code comes through a pipe', async (t) => {
  const sts = await startSts();
  t.after(() => sts.close());
  const home = seedHome(t, sts);
  const { PATH } = pathWith(t, {
    pass: `[ "$1 $2" = 'otp aws/bjohnson' ] && echo ${totp(devices.bjohnson.totpSecret)}`,
  });
  const result = await run([], { home, sts, env: { PATH }, program: bash(recipe('pass otp')) });
  assert.equal(result.status, 0, result.stderr);
  assert.match(result.stdout, /^foobar: session until /);
});

test("recipe: a shell gets a role's keys into its environment", async (t) => {
  const sts = await startSts();
  t.after(() => sts.close());
  const home = seedHome(t, sts);
  const { PATH } = pathWith(t);
  const env = { PATH, AWS_DEFAULT_REGION: 'us-east-1' };
  const probe = await run(['configure', 'export-credentials', 'help'], {
    home,
    env,
    program: { file: 'aws', args: [] },
  }).catch(() => undefined);
  if (probe?.status !== 0) return t.skip('no aws with configure export-credentials is installed');
  await run(['foobar'], { home, sts, stdin: `${totp(devices.bjohnson.totpSecret)}\n` });
  const script = `${recipe('export-credentials')}\naws sts get-caller-identity --query Arn --output text`;
  const { stdout } = await run([], { home, sts, env, program: bash(script) });
  assert.match(stdout, /:assumed-role\/DeveloperRole\//);
});
