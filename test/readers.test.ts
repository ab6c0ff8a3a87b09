// Whether a refresh was of use is for the stock tools to say: they read what was written, and call the STS with it.
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { devices, seedHome } from './helpers/home';
import { getCallers } from './helpers/network';
import { run, type Surroundings } from './helpers/run';
import { makeScene, person, type Scene, serial, simple } from './helpers/scene';
import { startSts, totp } from './helpers/sts';
import { askTerraform, noTerraform } from './helpers/terraform';
import { whyNot } from './helpers/which';

const { bob, bjohnson } = devices;
const developer = /^arn:aws:sts::343228764567:assumed-role\/DeveloperRole\/[\w-]+$/;

async function refresh(profile: string, code: string, surroundings: Surroundings): Promise<void> {
  const { status, stderr } = await run([profile, '--token-code', code], surroundings);
  assert.equal(status, 0, stderr);
}

/** Long-lived keys under X-long-term, the device in X, and a role behind each: role0, role1, … All are refreshed. */
async function makeLongTerm(t: TestContext, names: readonly string[]): Promise<Scene> {
  const quote = (name: string) => (name.includes(' ') ? `"${name}"` : name);
  const roleArn = 'arn:aws:iam::343228764567:role/DeveloperRole';
  const config = names.map(
    (name, index) => `[profile ${quote(name)}]\nmfa_serial = ${serial}
[profile role${index}]\nrole_arn = ${roleArn}\nsource_profile = ${name}\n`,
  );
  const credentials = names.map((name) => simple.credentials.replace('foobar', () => name));
  const scene = await makeScene(t, { config: config.join('\n'), credentials: credentials.join('\n') });
  for (const name of names) {
    await refresh(name, totp(person.totpSecret), scene);
    scene.sts.forgetCodes();
  }
  return scene;
}

const oddNames = ['team.blue', 'me@corp.example.com', 'team/blue', 'team:blue+1'];
const roles = oddNames.map((_, index) => `role${index}`);

describe("AWS's JS SDK", () => {
  test('it is the user with the session, and each of the roles behind it', async (t) => {
    const sts = await startSts();
    t.after(() => sts.close());
    const scene = { sts, home: seedHome(t, sts) };
    await refresh('foobar', totp(bjohnson.totpSecret), scene);
    await refresh('acme', totp(bob.totpSecret), scene);
    const arns = await getCallers(['foobar', 'baszooDev', 'baszooArch', 'acme', 'acmeAdmin'], scene);
    const expected = `iam::789012347890:user/bjohnson sts::343228764567:assumed-role/DeveloperRole
      sts::343228764567:assumed-role/ArchitectRole iam::123456781234:user/bob
      sts::123456781234:assumed-role/AcmeAdminRole`.split(/\s+/);
    const shown = arns.map((arn) => arn.replace('arn:aws:', '').replace(/(:assumed-role\/\w+)\/[\w-]+$/, '$1'));
    assert.deepEqual(shown, expected);
    // the roles were not asked for with the long-lived keys
    const assumed = scene.sts.calls.filter(({ action }) => action === 'AssumeRole');
    assert.equal(assumed.map(({ accessKeyId }) => accessKeyId.slice(0, 4)).join(' '), 'ASIA ASIA ASIA');
  });
  test('it finds profiles with odd names and the roles behind them', async (t) => {
    const scene = await makeLongTerm(t, oddNames);
    const arns = await getCallers([...oddNames, ...roles], scene);
    assert.deepEqual(arns.slice(0, 4), Array(4).fill(person.userArn));
    for (const arn of arns.slice(4)) assert.match(arn, developer);
  });
});

test('the aws command finds a profile with a blank in its name and the role behind it', {
  skip: whyNot('aws'),
}, async (t) => {
  const scene = await makeLongTerm(t, ['team blue']);
  const env = { AWS_DEFAULT_REGION: 'us-east-1', AWS_EC2_METADATA_DISABLED: 'true' };
  const args = ['sts', 'get-caller-identity', '--query', 'Arn', '--output', 'text', '--profile'];
  const call = (profile: string) => run([profile], { ...scene, env, program: { file: 'aws', args } });
  assert.equal((await call('team blue')).stdout, `${person.userArn}\n`);
  assert.match((await call('role0')).stdout.trim(), developer);
});

test('Terraform takes the session for the role behind it', { skip: noTerraform }, async (t) => {
  const { home, sts } = await makeLongTerm(t, ['foobar']);
  const question = { config: home.configPath, credentials: home.credentialsPath, profile: 'role0' };
  const { taken, output } = await askTerraform([question]);
  const { accessKeyId: id, sessionToken: token } = sts.sessions.at(-1) ?? {};
  assert.deepEqual(taken, [{ id, token }], output);
});
