// Asks Terraform's AWS provider, and so Go's SDK, which keys it takes for profiles: each calls an STS of its own, which notes them down.
import { execFile } from 'node:child_process';
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
    request.resume().on('end', () => {
      // a role is not given: the first call is all that counts
      response.writeHead(403, { 'content-type': 'text/xml' });
      response.end('<ErrorResponse><Error><Code>AccessDenied</Code><Message>enough</Message></Error></ErrorResponse>');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const folder = mkdtempSync(join(tmpdir(), 'refresh-mfa-terraform-'));
  try {
    const { port } = server.address() as AddressInfo;
    writeFileSync(join(folder, 'main.tf'), configure(questions, `http://127.0.0.1:${port}`));
    await terraform(folder, 'init', `-plugin-dir=${plugins}`);
    const output = await terraform(folder, 'plan');
    return { taken, output };
  } finally {
    server.close();
    rmSync(folder, { recursive: true });
  }
}

function configure(questions: readonly Question[], sts: string): string {
  // in Terraform's language a string is JSON's but for its own two openings
  const quote = (text: string) => JSON.stringify(text).replace(/[$%]\{/g, (open) => `${open[0]}${open}`);
  const asked = questions.map(
    ({ config, credentials, profile }, index) => `provider "aws" {
  alias                       = "a${index}"
  profile                     = ${quote(profile)}
  shared_config_files         = [${quote(config)}]
  shared_credentials_files    = [${quote(credentials)}]
  region                      = "us-east-1"
  max_retries                 = 0
  skip_metadata_api_check     = true
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  endpoints {
    sts = "${sts}/${index}"
  }
}
data "aws_caller_identity" "a${index}" {
  provider = aws.a${index}
}
`,
  );
  return ['terraform {\n  required_providers {\n    aws = { source = "hashicorp/aws" }\n  }\n}\n', ...asked].join('');
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
