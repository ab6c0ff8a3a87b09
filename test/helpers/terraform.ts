// Asks Terraform's AWS provider, and so Go's SDK, which keys it takes for profiles: each calls an STS of its own, which notes them down.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { devNull, homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { missing } from './which';

/** A folder to install the provider from without a network, laid out as Terraform's mirrors are. */
const plugins = [
  ...['.terraform.d/plugins', '.local/share/terraform/plugins'].map((path) => join(homedir(), path)),
  ...['/usr/local/share/terraform/plugins', '/usr/share/terraform/plugins'],
  ...(existsSync('/opt') ? readdirSync('/opt').map((name) => join('/opt', name)) : []),
].find((folder) => existsSync(join(folder, 'registry.terraform.io/hashicorp/aws')));

export const noTerraform =
  missing('terraform') || (plugins === undefined && "no local mirror holds Terraform's AWS provider");

export interface Question {
  readonly config: string;
  readonly credentials: string;
  readonly profile: string;
}

/** What the first call to STS was signed with. */
export interface Taken {
  readonly id: string | undefined;
  readonly token: string | undefined;
}

/** @returns what was taken for each profile, undefined where Terraform made no call; and what it said */
export async function askTerraform(
  questions: readonly Question[],
): Promise<{ taken: (Taken | undefined)[]; output: string }> {
  const taken = questions.map((): Taken | undefined => undefined);
  if (questions.length === 0) return { taken, output: '' };
  const server = createServer((request, response) => {
    const id = /Credential=([^/]+)/.exec(request.headers.authorization ?? '')?.[1];
    taken[Number(request.url?.split('/')[1])] ??= { id, token: request.headers['x-amz-security-token']?.toString() };
    request.resume();
    // nothing is given: the first call is all that counts
    response.writeHead(403, { 'content-type': 'text/xml' });
    response.end('<ErrorResponse><Error><Code>AccessDenied</Code><Message>enough</Message></Error></ErrorResponse>');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const folder = mkdtempSync(join(tmpdir(), 'refresh-mfa-terraform-'));
  try {
    writeFileSync(join(folder, 'main.tf.json'), configure(questions, `http://127.0.0.1:${port}`));
    await terraform(folder, 'init', `-plugin-dir=${plugins}`);
    return { taken, output: await terraform(folder, 'plan') };
  } finally {
    server.close();
    rmSync(folder, { recursive: true });
  }
}

/** A provider for each question, and a question to STS for each provider. */
function configure(questions: readonly Question[], sts: string): string {
  const aws = questions.map(({ config, credentials, profile }, index) => ({
    alias: `a${index}`,
    profile,
    shared_config_files: [config],
    shared_credentials_files: [credentials],
    region: 'us-east-1',
    max_retries: 0,
    skip_metadata_api_check: 'true',
    skip_credentials_validation: true,
    skip_requesting_account_id: true,
    endpoints: { sts: `${sts}/${index}` },
  }));
  const callers = aws.map(({ alias }) => [alias, { provider: `aws.${alias}` }]);
  const all = {
    terraform: { required_providers: { aws: { source: 'hashicorp/aws' } } },
    provider: { aws },
    data: { aws_caller_identity: Object.fromEntries(callers) },
  };
  // these two would begin an expression
  return JSON.stringify(all).replace(/[$%](?=\{)/g, '$&$&');
}

/** What it printed, without the frame around its errors; most of them are wanted. */
function terraform(cwd: string, ...args: string[]): Promise<string> {
  const own = { CHECKPOINT_DISABLE: '1', TF_IN_AUTOMATION: '1', TF_CLI_CONFIG_FILE: devNull };
  const env = { PATH: process.env.PATH, HOME: cwd, ...own };
  return new Promise((resolve) => {
    execFile('terraform', [...args, '-no-color', '-input=false'], { cwd, env }, (_, stdout, stderr) =>
      resolve(`${stdout}${stderr}`.replace(/[\s│]+/g, ' ')),
    );
  });
}
