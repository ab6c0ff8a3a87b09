// Whether a refresh was of use is for the stock tools to say, so they read what was written and call the STS with it.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, type TestContext, test } from 'node:test';
import { getCallers } from './helpers/caller';
import { devices, type Home, makeHome, seedHome } from './helpers/home';
import { type Result, run, type Surroundings } from './helpers/run';
import { type LocalSts, startSts, totp } from './helpers/sts';
import { missing } from './helpers/which';

const { bob, bjohnson } = devices;

async function openSts(t: TestContext): Promise<LocalSts> {
  const sts = await startSts();
  t.after(() => sts.close());
  return sts;
}

async function refresh(profile: string, code: string, surroundings: Surroundings): Promise<void> {
  const { status, stderr } = await run([profile, '--token-code', code], surroundings);
  assert.equal(status, 0, stderr);
}

/** The two files of examples/, both sessions made. */
async function setUp(t: TestContext): Promise<{ sts: LocalSts; home: Home }> {
  const sts = await openSts(t);
  const home = seedHome(t, sts);
  await refresh('foobar', totp(bjohnson.totpSecret), { home, sts });
  await refresh('acme', totp(bob.totpSecret), { home, sts });
  return { sts, home };
}

/** Another layout: long-lived keys under X-long-term, nothing but the device in X, and a role behind each. */
async function setUpLongTerm(t: TestContext, names: readonly string[]): Promise<{ sts: LocalSts; home: Home }> {
  const sts = await openSts(t);
  sts.addUser(bjohnson);
  const quote = (name: string) => (name.includes(' ') ? `"${name}"` : name);
  const home = makeHome(t, {
    config: names
      .map(
        (name, index) => `[profile ${quote(name)}]
mfa_serial = ${bjohnson.serial}

[profile role${index}]
region = eu-central-1
role_arn = arn:aws:iam::343228764567:role/DeveloperRole
source_profile = ${name}
`,
      )
      .join('\n'),
    credentials: names
      .map(
        (name) => `[${name}-long-term]
aws_access_key_id = ${bjohnson.accessKeyId}
aws_secret_access_key = ${bjohnson.secretAccessKey}
`,
      )
      .join('\n'),
  });
  for (const name of names) {
    await refresh(name, totp(bjohnson.totpSecret), { home, sts });
    sts.forgetCodes();
  }
  return { sts, home };
}

const oddNames = ['team.blue', 'me@corp.example.com', 'team/blue', 'team:blue+1'];

const developer = /^arn:aws:sts::343228764567:assumed-role\/DeveloperRole\/[\w-]+$/;
const architect = /^arn:aws:sts::343228764567:assumed-role\/ArchitectRole\/[\w-]+$/;
const acmeAdmin = /^arn:aws:sts::123456781234:assumed-role\/AcmeAdminRole\/[\w-]+$/;

describe("AWS's JS SDK", () => {
  test('it is the user with the session, and each of the roles behind it', async (t) => {
    const { sts, home } = await setUp(t);
    const profiles = ['foobar', 'baszooDev', 'baszooArch', 'acme', 'acmeAdmin'];
    const [user, ...others] = await getCallers(profiles, { home, sts });
    assert.equal(user, bjohnson.userArn);
    assert.match(others[0] ?? '', developer);
    assert.match(others[1] ?? '', architect);
    assert.equal(others[2], bob.userArn);
    assert.match(others[3] ?? '', acmeAdmin);
    // the roles were not asked for with the long-lived keys
    const assumed = sts.calls.filter(({ action }) => action === 'AssumeRole');
    assert.deepEqual(
      assumed.map(({ accessKeyId }) => accessKeyId.slice(0, 4)),
      ['ASIA', 'ASIA', 'ASIA'],
    );
  });

  test('without a refresh the role is denied', async (t) => {
    const sts = await openSts(t);
    const home = seedHome(t, sts);
    home.writeConfig(
      readFileSync(home.configPath, 'utf8').replaceAll('source_profile = foobar', 'source_profile = FoobarAccount'),
    );
    await assert.rejects(getCallers(['baszooDev'], { home, sts }), /AccessDenied/);
  });

  test('a token that ends in == is written without quotes and read whole', async (t) => {
    const sts = await openSts(t);
    const home = seedHome(t, sts);
    sts.tokenShape = () => 'FwoGZXIvYXdzEDoaDH/+EXAMPLETOKEN==';
    await refresh('foobar', totp(bjohnson.totpSecret), { home, sts });
    assert.match(home.readCredentials(), /^aws_session_token = FwoGZXIvYXdzEDoaDH\/\+EXAMPLETOKEN==$/m);
    const [arn] = await getCallers(['baszooDev'], { home, sts });
    assert.match(arn ?? '', developer);
  });

  test('it finds profiles with odd names and the roles behind them', async (t) => {
    const { sts, home } = await setUpLongTerm(t, oddNames);
    const users = await getCallers(oddNames, { home, sts });
    assert.deepEqual(
      users,
      oddNames.map(() => bjohnson.userArn),
    );
    const roles = await getCallers(
      oddNames.map((_, index) => `role${index}`),
      { home, sts },
    );
    for (const role of roles) assert.match(role, developer);
  });

  test('it finds a session whose keys stood in capitals before, which it would not have read', async (t) => {
    const sts = await openSts(t);
    const home = seedHome(t, sts);
    const capitals = 'AWS_ACCESS_KEY_ID = old\nAWS_SECRET_ACCESS_KEY : old\nAWS_SESSION_TOKEN=old\n';
    home.writeCredentials(`${home.readCredentials()}\n[foobar]\n${capitals}`);
    await refresh('foobar', totp(bjohnson.totpSecret), { home, sts });
    assert.deepEqual(await getCallers(['foobar'], { home, sts }), [bjohnson.userArn]);
  });
});

/** The ARN that `aws sts get-caller-identity` prints. */
async function askAws(profile: string, { home, sts }: Surroundings): Promise<Result> {
  const args = ['sts', 'get-caller-identity', '--profile', profile, '--query', 'Arn', '--output', 'text'];
  const env = { AWS_DEFAULT_REGION: 'us-east-1', AWS_EC2_METADATA_DISABLED: 'true' };
  return run(args, { home, ...(sts && { sts }), env, program: { file: 'aws', args: [] } });
}

describe('the aws command', { skip: missing('aws') }, () => {
  test('it is the user with the session, and each of the roles behind it', async (t) => {
    const { sts, home } = await setUp(t);
    const rows: readonly (readonly [string, RegExp])[] = [
      ['foobar', /^arn:aws:iam::789012347890:user\/bjohnson$/],
      ['baszooDev', developer],
      ['baszooArch', architect],
      ['acmeAdmin', acmeAdmin],
    ];
    for (const [profile, arn] of rows) {
      const { stdout, stderr } = await askAws(profile, { home, sts });
      assert.match(stdout.trim(), arn, stderr);
    }
  });

  test('an old aws_security_token, which it would read first, is out of its way after a refresh', async (t) => {
    const { sts, home } = await setUp(t);
    const stale = 'aws_security_token = AQoEXAMPLEH4aoAH0gNCAPyJxz4BlCFFxWNE1OPTgk5TthT==';
    home.writeCredentials(home.readCredentials().replace('[foobar]', `[foobar]\n${stale}`));
    assert.notEqual((await askAws('baszooDev', { home, sts })).status, 0);
    await refresh('foobar', totp(bjohnson.totpSecret, 1), { home, sts });
    const { stdout, stderr } = await askAws('baszooDev', { home, sts });
    assert.match(stdout.trim(), developer, stderr);
  });

  test('it finds profiles with odd names and the roles behind them', async (t) => {
    // the JS SDK drops sections whose name has a blank
    const names = [...oddNames, 'team blue'];
    const { sts, home } = await setUpLongTerm(t, names);
    for (const [index, name] of names.entries()) {
      const user = await askAws(name, { home, sts });
      assert.equal(user.stdout.trim(), bjohnson.userArn, `${name}: ${user.stderr}`);
      const role = await askAws(`role${index}`, { home, sts });
      assert.match(role.stdout.trim(), developer, `behind ${name}: ${role.stderr}`);
    }
  });

  test('a section whose keys are indented is read whole', async (t) => {
    const sts = await openSts(t);
    const home = seedHome(t, sts);
    home.writeCredentials(
      `[foobar]\r\n    output = text\r\n    region = eu-central-1\r\n\r\n${home.readCredentials()}`,
    );
    await refresh('foobar', totp(bjohnson.totpSecret), { home, sts });
    const { stdout, stderr } = await askAws('baszooDev', { home, sts });
    assert.match(stdout.trim(), developer, stderr);
  });
});

/** A folder to install the AWS provider from without a network, laid out as Terraform's mirrors are. */
function findPlugins(): string | undefined {
  const below = existsSync('/opt') ? readdirSync('/opt').map((name) => join('/opt', name)) : [];
  const folders = [
    join(homedir(), '.terraform.d/plugins'),
    join(homedir(), '.local/share/terraform/plugins'),
    '/usr/local/share/terraform/plugins',
    '/usr/share/terraform/plugins',
    ...below,
  ];
  return folders.find((folder) => existsSync(join(folder, 'registry.terraform.io/hashicorp/aws')));
}

const plugins = findPlugins();
const noTerraform = missing('terraform') || (plugins === undefined && "no local mirror holds Terraform's AWS provider");

const main = `variable "profile" {}
variable "sts" {}
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}
provider "aws" {
  profile                    = var.profile
  region                     = "eu-central-1"
  skip_metadata_api_check    = true
  skip_requesting_account_id = true
  endpoints {
    sts = var.sts
  }
}
data "aws_caller_identity" "this" {}
output "arn" {
  value = data.aws_caller_identity.this.arn
}
`;

describe('Terraform', { skip: noTerraform }, () => {
  test('it is the role behind the session, where the long-lived keys are in X-long-term', async (t) => {
    const { sts, home } = await setUpLongTerm(t, ['foobar']);
    const { status, stdout, stderr } = await apply('role0', { home, sts });
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^arn = "arn:aws:sts::343228764567:assumed-role\/DeveloperRole\/[\w-]+"$/m);
  });

  test('it refuses a session profile with source_profile, for which there is the other layout', async (t) => {
    const { sts, home } = await setUp(t);
    const calls = sts.calls.length;
    const { status, stderr } = await apply('baszooDev', { home, sts });
    assert.equal(status, 1);
    assert.match(stderr.replace(/[\s│]+/g, ' '), /source_profile requires role_arn/);
    assert.equal(sts.calls.length, calls);
  });

  let folder: string | undefined;
  after(() => folder && rmSync(folder, { recursive: true }));

  /** Applies a configuration that asks who it is as `profile`. Installing the provider takes long, so it is done once. */
  async function apply(profile: string, { home, sts }: { home: Home; sts: LocalSts }): Promise<Result> {
    const terraform = (cwd: string, ...args: string[]) => {
      const env = { CHECKPOINT_DISABLE: '1', TF_IN_AUTOMATION: '1', TF_CLI_CONFIG_FILE: '/dev/null' };
      const program = { file: 'terraform', args: [] };
      return run([...args, '-no-color', '-input=false'], { home, sts, env, cwd, program });
    };
    if (!folder) {
      folder = mkdtempSync(join(tmpdir(), 'refresh-mfa-terraform-'));
      writeFileSync(join(folder, 'main.tf'), main);
      const { status, stderr } = await terraform(folder, 'init', `-plugin-dir=${plugins}`);
      assert.equal(status, 0, stderr);
    }
    return terraform(folder, 'apply', '-auto-approve', `-var=profile=${profile}`, `-var=sts=${sts.url}`);
  }
});
