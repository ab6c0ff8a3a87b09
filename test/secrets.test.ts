// No secret leaves a run but through the credentials file, its temporary, and the connection that it is for. Each path is gone
// once: what it printed and the files that it left are searched on every system, and where there is strace, all that it gave
// to the system too.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { type Certificate, makeCertificate } from './helpers/certificate';
import { holds } from './helpers/disguise';
import { devices, type Home, makeHome } from './helpers/home';
import { findQuietPort } from './helpers/port';
import { pathWith } from './helpers/programs';
import { type ProxyOptions, startProxy } from './helpers/proxy';
import { type Command, command, environment, type Output, type Surroundings, secretsOf, start } from './helpers/run';
import { other as person } from './helpers/scene';
import { type Behaviour, type LocalSts, startSts, totp, type User, wrongCode } from './helpers/sts';
import { openTerminal, terminalMissing } from './helpers/terminal';
import { readTrace, straceMissing, type Trace, traced } from './helpers/trace';
import { missing } from './helpers/which';

// not the user of most tests, whose keys stand in the sources as AWS's sample, and so in what a loader keeps of them
const { serial } = person;
const second = devices.bjohnson;
/** A secret where none belongs, or one that only an answer holds. */
const stray = 'Zp9Utk+h3yCo8nvbAMISPLACEDKEY/je7MtGbClw';
const password = 'correct+horse/battery=staple';

const config = `[profile foobar]\nmfa_serial = ${serial}\n`;
const credentials = `[foobar-long-term]\n${keyLines(person)}`;
const session = (ends: string) => `
[foobar]
aws_access_key_id = ASIAI44QH8DHBEXAMPLE
aws_secret_access_key = 8nvb+OLDSESSION/h3yCo7MtGbClwBF/2Zp9UtkE
aws_session_token = FwoGZXIvYXdzEOLDSESSION/3Utk+h3yCo8nvb7MtGbClwBF2Zp9EXAMPLE==
x_security_token_expires = ${ends}
`;
const expired = `${credentials}${session('2020-01-15T11:00:00Z')}`;
const valid = `${credentials}${session('2090-01-15T11:00:00Z')}`;

interface Place {
  readonly home: Home;
  readonly sts: LocalSts;
  readonly code: string;
  readonly t: TestContext;
}

type Variables = Readonly<Record<string, string>>;

/** One way through the program. What is not said is as in the shortest: a code from a pipe for a first session of foobar. */
interface Path {
  readonly name: string;
  /** The word CODE in it stands for the code. */
  readonly args?: readonly string[];
  readonly config?: string;
  readonly credentials?: string | Buffer;
  readonly stdin?: string | ((code: string) => string);
  readonly answers?: (code: string) => readonly Behaviour[];
  readonly tls?: boolean;
  readonly env?: Variables;
  /** A shell command before the program, such as a limit. */
  readonly limit?: string;
  /** Makes what else there has to be. */
  readonly prepare?: (place: Place) => unknown;
  /** More of the environment, and what it speaks of. */
  readonly variables?: (place: Place) => Promise<Variables> | Variables;
  /** What another program does while STS is asked. */
  readonly meanwhile?: (home: Home) => void;
  /** Secrets that neither the files nor STS nor the device made known. */
  readonly secrets?: readonly string[];
  readonly skip?: string | false;
  readonly status: number;
  /** Something of what it prints, to know that this way was gone. */
  readonly says: RegExp;
}

const done = { status: 0, says: /^foobar: session until /m };
const notSts = { status: 1, says: /is not STS/ };

function fails(says: RegExp, status = 2) {
  return { status, says };
}

const typed: readonly Path[] = [
  { name: 'a code from a pipe', ...done },
  { name: 'a code from --token-code', args: ['foobar', '--token-code', 'CODE'], ...done },
  { name: 'a session in place of another', credentials: expired, ...done },
  { name: 'a line of two codes', stdin: (code) => `${code} ${code}\n`, ...fails(/is not six digits/) },
  { name: 'a --token-code of two codes', args: ['-t', 'CODE CODE', 'foobar'], ...fails(/is not six digits/) },
  { name: 'a misspelt --token-code', args: ['--token-cod=CODE', 'foobar'], ...fails(/no option --token-cod\n/) },
  { name: 'no code', stdin: '', ...fails(/standard input is empty/) },
  {
    name: 'several profiles, the first with a wrong code',
    args: ['foobar', 'acme'],
    config: `${config}\n[profile acme]\nmfa_serial = ${second.serial}\n`,
    credentials: `${credentials}\n[acme-long-term]\n${keyLines(second)}`,
    stdin: () => `${wrongCode(person.totpSecret)}\n${totp(second.totpSecret)}\n`,
    ...fails(/^acme: session until /m, 1),
  },
  {
    name: 'keys in the environment that hide the session',
    env: { AWS_ACCESS_KEY_ID: 'AKIAI44QH8DHBEXAMPLE', AWS_SECRET_ACCESS_KEY: stray },
    secrets: [stray],
    ...done,
  },
];

function mfaProcess(name: string, line: string, ending: Pick<Path, 'status' | 'says'>): Path {
  return {
    name: `mfa_process ${name}`,
    config: `${config}mfa_process = ${line}\n`,
    stdin: '',
    prepare: ({ home, code }) => writeFileSync(join(home.path, 'code'), code),
    ...ending,
  };
}

/** Prints keys as it should, but for the change. */
function credentialProcess(name: string, change: object, behind: string, ending: Pick<Path, 'status' | 'says'>): Path {
  const { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey } = person;
  const answer = JSON.stringify({ Version: 1, AccessKeyId, SecretAccessKey, ...change });
  return {
    name: `credential_process ${name}`,
    config: `${config}source_profile = Keys\n\n[profile Keys]\ncredential_process = cat "$HOME/keys"${behind}\n`,
    credentials: '',
    prepare: ({ home }) => writeFileSync(join(home.path, 'keys'), answer),
    secrets: [SecretAccessKey, stray],
    ...ending,
  };
}

const processes: readonly Path[] = [
  mfaProcess('with a code', 'cat "$HOME/code"', done),
  mfaProcess('of several programs', '(cat "$HOME/code" | cat) && true', done),
  mfaProcess('with two codes', 'cat "$HOME/code"; echo; cat "$HOME/code"', fails(/printed 2 six-digit codes/)),
  mfaProcess('with a longer number', 'cat "$HOME/code"; echo 7', fails(/printed no six-digit code/)),
  mfaProcess('that fails behind the code', 'cat "$HOME/code"; exit 3', fails(/ended with status 3/)),
  credentialProcess('with keys', {}, '', done),
  credentialProcess('that fails behind the keys', {}, '; exit 3', fails(/ended with status 3/)),
  credentialProcess('that prints keys and no JSON', {}, '; echo }', fails(/printed no JSON/)),
  credentialProcess('of another version', { Version: 2 }, '', fails(/no "Version": 1/)),
  credentialProcess('with a session', { SessionToken: stray }, '', fails(/gives a session/)),
  credentialProcess('without an access key', { AccessKeyId: '' }, '', fails(/printed no AccessKeyId/)),
  credentialProcess('with a secret in two lines', { SecretAccessKey: `${stray}\n` }, '', fails(/no SecretAccessKey/)),
];

/** An error document that repeats the code. */
function stsError(code: string, message: string, says: RegExp, status = 403): Path {
  const answers = (typed: string): Behaviour[] => [
    { kind: 'error', status, code: code.replace('CODE', typed), message: `${message} '${typed}' (TokenCode=${typed})` },
  ];
  return { name: `STS says ${code}${message && `: ${message}`}`, answers, ...fails(says, 1) };
}

/** What STS might have sent, changed on its way. */
function garbled(name: string, body: string, status = 200): Path {
  const answers = (): Behaviour[] => [{ kind: 'raw', status, contentType: 'text/xml', body }];
  return { name: `STS sends ${name}`, answers, secrets: [stray], ...notSts };
}

const answers: readonly Path[] = [
  { name: 'a wrong code', stdin: () => `${wrongCode(person.totpSecret)}\n`, ...fails(/did not accept the code/, 1) },
  stsError('AccessDenied', 'not authorized', /AWS denied GetSessionToken/),
  stsError('AccessDenied', 'unable to validate MFA code', /could not check the code/),
  stsError('AccessDenied', 'Cannot call GetSessionToken with session credentials', /belong to a session/),
  stsError('ValidationError', 'not six digits', /STS refused the call/, 400),
  stsError('No-CODE', 'not a code that is known', /STS refused the call/, 400),
  stsError('RegionDisabledException', '', /is not active/),
  stsError('ExpiredToken', '', /clock is too far off/),
  { name: 'throttling', answers: () => [{ kind: 'throttle' }, { kind: 'throttle' }], ...fails(/throttling/, 1) },
  { name: 'one internal error', answers: () => [{ kind: 'status', status: 500 }], ...done },
  {
    name: 'two internal errors',
    answers: () => [
      { kind: 'status', status: 500 },
      { kind: 'status', status: 503 },
    ],
    ...fails(/internal problem/, 1),
  },
  { name: 'a log-in page', answers: () => [{ kind: 'html', status: 200 }], ...notSts },
  { name: 'a page that forbids', answers: () => [{ kind: 'html', status: 403 }], ...notSts },
  { name: 'an answer without credentials', answers: () => [{ kind: 'empty' }], ...notSts },
  { name: 'an answer without a token', answers: () => [{ kind: 'partial' }], ...notSts },
  garbled('a token with a line break', toAnswer(stray, `${stray}\n${stray}`)),
  garbled('a secret key with a blank', toAnswer(`${stray} ${stray}`, stray)),
  garbled('a secret for the end of the session', toAnswer(stray, stray).replace('2090', stray)),
  garbled('half of it', toAnswer(stray, stray).slice(0, -120)),
  garbled('a secret for a tag', toAnswer(stray, stray).replace('/SessionToken', `/${stray}`)),
  garbled('JSON', JSON.stringify({ Credentials: { SecretAccessKey: stray, SessionToken: stray } })),
  garbled('a session as an error', toAnswer(stray, stray), 403),
  {
    name: 'a key that STS does not know',
    credentials: credentials.replace('AKIA', 'AKIB'),
    ...fails(/does not know the access key/, 1),
  },
  {
    name: 'a secret key in quotes',
    credentials: credentials.replace(/(secret.* = )(.*)/, '$1"$2"'),
    ...fails(/stand in quotes/, 1),
  },
  {
    name: 'a clock that is off',
    prepare: ({ sts }) => {
      sts.clockOffsetMs = 7_200_000;
    },
    ...done,
  },
];

/** Through a proxy that wants the password; the endpoint has TLS, so that nothing but its name is there for the proxy to see. */
function viaProxy(
  name: string,
  options: ProxyOptions,
  ending: Pick<Path, 'status' | 'says'>,
  env: Variables = {},
): Path {
  return {
    name,
    tls: true,
    variables: async ({ t }) => {
      const proxy = await startProxy(t, { wants: `bob:${password}`, ...options });
      return { HTTPS_PROXY: proxy.url.replace('//', `//bob:${encodeURIComponent(password)}@`), ...env };
    },
    secrets: [password],
    ...ending,
  };
}

// NODE_DEBUG lets Node print what it does, never what is in it; `stream` would, and `child_process` the whole environment
const debug = {
  DEBUG: '*',
  NODE_DEBUG: 'http,https,http2,net,tls,fetch,undici,timer,module',
  AWS_DEBUG: '1',
  AWS_LOG_LEVEL: 'trace',
};

const network: readonly Path[] = [
  {
    name: 'two dropped calls',
    answers: () => [{ kind: 'drop' }, { kind: 'drop' }],
    ...fails(/connection to .* broke/, 1),
  },
  { name: 'a dropped answer', answers: () => [{ kind: 'drop-after' }], ...fails(/may have been used up/, 1) },
  {
    name: 'nobody who listens',
    variables: async () => ({ AWS_ENDPOINT_URL_STS: `http://127.0.0.1:${await findQuietPort()}` }),
    ...fails(/connection refused/, 1),
  },
  { name: 'TLS', tls: true, ...done },
  { name: 'TLS that nobody vouches for', tls: true, env: { AWS_CA_BUNDLE: '' }, ...fails(/cannot trust/, 1) },
  viaProxy('a proxy with a password', {}, done),
  viaProxy('a proxy that wants another password', { wants: 'bob:another' }, fails(/wants a name and a password/, 1)),
  viaProxy('a proxy that lets nobody through', { refuses: 403 }, fails(/does not let you through/, 1)),
  viaProxy('a proxy with a password, and all that debugs', {}, done, debug),
  {
    ...viaProxy('a proxy with a password, without TLS', {}, done, debug),
    tls: false,
    variables: async ({ t }) => {
      const proxy = await startProxy(t, { wants: `bob:${password}` });
      return { HTTP_PROXY: proxy.url.replace('//', `//bob:${encodeURIComponent(password)}@`) };
    },
  },
  {
    name: 'a proxy that is not there',
    tls: true,
    variables: async () => ({ HTTPS_PROXY: `bob:${encodeURIComponent(password)}@127.0.0.1:${await findQuietPort()}` }),
    secrets: [password],
    ...fails(/proxy 127.*refused/, 1),
  },
  {
    name: 'a proxy that is no URL',
    tls: true,
    env: { HTTPS_PROXY: `http://bob:${password}@:0:0` },
    secrets: [password],
    ...fails(/HTTPS_PROXY is not the URL/),
  },
  {
    name: 'a proxy whose password is not what a URL may hold',
    tls: true,
    env: { HTTPS_PROXY: `http://bob:${password}%zz@127.0.0.1:1` },
    secrets: [password],
    ...fails(/HTTPS_PROXY is not the URL/),
  },
  { name: 'all that debugs', env: debug, ...done },
  { name: 'all that debugs, and an error', env: debug, answers: () => [{ kind: 'html', status: 403 }], ...notSts },
];

/** After this the program may write files of so many blocks of 512 bytes; the loader of the sources would write to its cache. */
function small(blocks: number): Pick<Path, 'limit' | 'env'> {
  return { limit: `ulimit -f ${blocks}`, env: { TSX_DISABLE_CACHE: '1' } };
}

const slow = { answers: (): Behaviour[] => [{ kind: 'delay', ms: 300 }] };

const files: readonly Path[] = [
  { name: 'a disk that is full', ...small(0), ...fails(/no space left/, 1) },
  {
    name: 'a disk that is full when the file is written',
    ...small(10),
    prepare: ({ sts }) => {
      sts.tokenShape = () => stray.repeat(200);
    },
    ...fails(/no space left/, 1),
  },
  {
    name: 'a folder that may not be written',
    prepare: ({ home }) => execFileSync('chmod', ['500', join(home.path, '.aws')]),
    skip: process.getuid?.() === 0 && 'root may write to a read-only folder',
    ...fails(/may not be written/, 1),
  },
  {
    name: 'a link',
    prepare: ({ home }) => {
      renameSync(home.credentialsPath, join(home.path, 'shared'));
      symlinkSync('../shared', home.credentialsPath);
    },
    ...done,
  },
  {
    name: 'a link that leads nowhere',
    config: `${config}\n${credentials}`,
    prepare: ({ home }) => {
      rmSync(home.credentialsPath);
      symlinkSync('nowhere', home.credentialsPath);
    },
    ...fails(/is a link to a file that is not there/, 1),
  },
  {
    name: 'what a killed run left',
    prepare: ({ home }) => {
      const temporary = `${home.credentialsPath}.4242424242`;
      const lock = `${home.credentialsPath}.refresh-mfa.lock`;
      writeFileSync(temporary, valid);
      writeFileSync(lock, 'someone\ncredentials.4242424242');
      for (const path of [temporary, lock]) utimesSync(path, 1_700_000_000, 1_700_000_000);
    },
    secrets: valuesOf(valid),
    ...done,
  },
  {
    name: 'another program that changes the file',
    ...slow,
    meanwhile: (home) => home.writeCredentials(`${credentials}\n[acme]\naws_secret_access_key = ${stray}\n`),
    ...done,
  },
  {
    name: 'another program that puts long-lived keys there',
    ...slow,
    meanwhile: (home) => home.writeCredentials(`${credentials}\n[foobar]\n${keyLines(second)}`),
    ...fails(/holds long-lived keys/),
  },
  {
    name: 'another program that breaks the file',
    ...slow,
    meanwhile: (home) => home.writeCredentials(`${credentials}${stray}\n`),
    secrets: [stray],
    ...fails(/a line that is no key = value/),
  },
];

const roles = `${config}\n[profile admin]\nrole_arn = arn:aws:iam::111122223333:role/admin\nsource_profile = foobar\nmfa_serial = ${serial}\n`;

const others: readonly Path[] = [
  { name: '--check', args: ['--check'], credentials: valid, config: roles, ...fails(/^foobar +valid/, 0) },
  {
    name: '--check of an expired session',
    args: ['-c', 'admin'],
    credentials: expired,
    config: roles,
    ...fails(/expired/, 3),
  },
  { name: '--check of no session', args: ['--check'], ...fails(/never refreshed/, 3) },
  {
    name: '--check --json',
    args: ['--check', '--json'],
    credentials: expired,
    config: roles,
    ...fails(/"expired"/, 3),
  },
  {
    name: '--check --notify',
    args: ['--check', '--notify'],
    credentials: expired,
    variables: ({ t }) => {
      const { PATH } = pathWith(t, { 'notify-send': 'true', osascript: 'true' });
      return { PATH };
    },
    ...fails(/has expired: type refresh-mfa foobar/, 3),
  },
  {
    name: '--if-needed, which is not',
    args: ['-n', 'foobar'],
    credentials: valid,
    ...fails(/^foobar: session valid until /m, 0),
  },
  { name: '--if-needed, which is', args: ['--if-needed', 'foobar'], credentials: expired, ...done },
  { name: '--clear', args: ['--clear', 'foobar'], credentials: valid, ...fails(/session removed/, 0) },
  { name: '--clear of no session', args: ['--clear', 'foobar'], ...fails(/no session in/, 0) },
  {
    name: '--clear of long-lived keys',
    args: ['--clear', 'foobar-long-term'],
    ...fails(/holds long-lived keys/),
  },
  { name: '--completion names', args: ['--completion', 'names'], credentials: valid, ...fails(/^foobar\n/, 0) },
  { name: '--completion bash', args: ['--completion', 'bash'], credentials: valid, ...fails(/complete -F/, 0) },
  { name: '--help', args: ['--help'], credentials: valid, ...fails(/^Usage: /, 0) },
  { name: '--version', args: ['--version'], credentials: valid, ...fails(/^\d+\.\d+\.\d+/, 0) },
];

const refusals: readonly Path[] = [
  { name: 'an unknown profile', args: ['nobody'], ...fails(/no profile "nobody"/) },
  {
    name: 'no profile',
    args: [],
    config: `${config}\n[profile acme]\nsource_profile = foobar-long-term\n`,
    ...fails(/which profile/),
  },
  {
    name: 'long-lived keys in the section',
    credentials: `${credentials}\n[foobar]\n${keyLines(second)}`,
    ...fails(/never overwritten/),
  },
  {
    name: 'long-lived keys of the profile itself',
    credentials: `[foobar]\n${keyLines(person)}`,
    ...fails(/holds the long-lived keys itself/),
  },
  {
    name: 'a source that is a session',
    credentials: session('').replace('foobar', 'foobar-long-term'),
    ...fails(/is itself a session/),
  },
  {
    name: 'a source with half a key',
    credentials: credentials.replace(/aws_access.*\n/, ''),
    ...fails(/but no aws_access_key_id/),
  },
  { name: 'no source', credentials: `[acme]\n${keyLines(person)}`, ...fails(/has no source/) },
];

type Content = Pick<Path, 'config' | 'credentials' | 'env'>;

/** A file with a secret in the very line that is wrong. */
function broken(name: string, content: Content, says: RegExp): Path {
  return { name, ...content, secrets: [stray], ...fails(says) };
}

/** The line below a value is indented, which makes it a part of the value. The list of sessions does not mind. */
function glued(key: string, value: string, toContent: (line: string) => Content): Path[] {
  const name = `${key} that goes on in the next line`;
  const content = toContent(`${key} = ${value}\n  aws_secret_access_key = ${stray}\n`);
  const check = broken(`${name}, with --check --json`, content, /"state": "never"/);
  return [broken(name, content, /goes on in the next line/), { ...check, args: ['--check', '--json'], status: 3 }];
}

const inProfile = (line: string): Content => ({ config: `${config}${line}`, env: { AWS_ENDPOINT_URL_STS: '' } });
const role = `[profile admin]
role_arn = arn:aws:iam::111122223333:role/admin
source_profile = foobar
mfa_serial = ${serial}
  aws_secret_access_key = ${stray}
`;

const lines: readonly Path[] = [
  broken('a key that is there twice', { credentials: `${credentials}aws_secret_access_key = ${stray}\n` }, /twice/),
  broken('a token by itself, twice', { credentials: `${credentials}${stray}==\n${stray}==\n` }, /twice/),
  broken('a section that is there twice', { credentials: `${credentials}\n${credentials}` }, /twice/),
  broken('a line that is no assignment', { credentials: `${credentials}${stray}\n` }, /no key = value/),
  broken('a key before all sections', { credentials: `aws_secret_access_key = ${stray}\n` }, /before the first/),
  broken('a control character', { credentials: `${credentials}aws_session_token = ${stray}\0\n` }, /control char/),
  broken('a byte order mark', { credentials: `\ufeff${credentials}` }, /byte order mark/),
  broken('what is not UTF-8', { credentials: Buffer.from(`${credentials}# \xe4 ${stray}`, 'latin1') }, /not UTF-8/),
  broken(
    'a comment behind a key',
    { credentials: credentials.replace(/\n$/, ` # ${stray}\n`) },
    /has a comment behind it/,
  ),
  ...glued('source_profile', 'foobar-long-term', inProfile),
  ...glued('mfa_process', 'echo 287082', inProfile),
  ...glued('region', 'eu-west-1', inProfile),
  ...glued('endpoint_url', 'http://127.0.0.1/', inProfile),
  ...glued('ca_bundle', '~/company.pem', inProfile),
  ...glued('duration_seconds', '3600', inProfile),
  ...glued('mfa_serial', serial, (line) => ({ config: `[profile foobar]\n${line}` })),
  ...glued('aws_access_key_id', 'AKIAI44QH8DHBEXAMPLE', (line) => ({ credentials: `[foobar-long-term]\n${line}` })),
  ...glued('credential_process', 'true', (line) => ({
    config: `${config}source_profile = Keys\n[profile Keys]\n${line}`,
  })),
  {
    ...broken(
      'source_profile that goes on, with --check',
      inProfile(`source_profile = Keys\n  aws_secret_access_key = ${stray}\n`),
      /^foobar +never/m,
    ),
    args: ['--check'],
    status: 3,
  },
  broken("a role's mfa_serial that goes on", { config: role }, /no MFA device/),
  broken(
    "a role's mfa_serial that goes on, with the keys in the profile itself",
    { config: role, credentials: `[foobar]\n${keyLines(person)}` },
    /holds the long-lived keys itself/,
  ),
];

describe('no secret leaves', { concurrency: 4 }, () => {
  let folder = '';
  let certificate: Certificate;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'refresh-mfa-secrets-'));
    if (!missing('openssl')) certificate = makeCertificate(folder);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const all = { typed, processes, answers, network, files, others, refusals, lines };
  for (const path of Object.values(all).flat()) {
    const skip = path.skip || (path.tls ? missing('openssl') : false);
    test(path.name, { skip }, async (t) => {
      await searchRun(t, path, certificate);
    });
  }
});

async function searchRun(t: TestContext, path: Path, certificate?: Certificate): Promise<void> {
  const sts = await startSts({ ...(path.tls && certificate && { tls: certificate }) });
  t.after(() => sts.close());
  sts.addUser(person);
  sts.addUser(second);
  const home = makeHome(t, { config: path.config ?? config, credentials: path.credentials ?? credentials });
  const code = totp(person.totpSecret);
  sts.behave(...(path.answers?.(code) ?? []));
  path.prepare?.({ home, sts, code, t });
  const env = {
    ...(path.tls && certificate && { AWS_CA_BUNDLE: certificate.path }),
    ...path.env,
    ...(await path.variables?.({ home, sts, code, t })),
  };
  const args = (path.args ?? ['foobar']).map((word) => word.replaceAll('CODE', code));
  const stdin = typeof path.stdin === 'function' ? path.stdin(code) : (path.stdin ?? `${code}\n`);
  const search = new Search(t, { home, sts, env }, args, [
    code,
    ...(stdin.match(/\d{6}/g) ?? []),
    ...(path.secrets ?? []),
  ]);

  const { file, args: before } = command();
  const limited = { file: '/bin/sh', args: ['-c', `${path.limit} && exec "$@"`, 'sh', file, ...before] };
  const program = search.program(path.limit ? limited : command());
  const { done } = start(args, { home, sts, env, stdin, program });
  if (path.meanwhile) {
    await sts.until(() => sts.calls.length > 0);
    path.meanwhile(home);
    search.learn();
  }
  const result = await done;
  assert.match(`${result.stdout}${result.stderr}`, path.says);
  assert.equal(result.status, path.status, result.stderr);
  await search.finish(result);
}

describe('no secret leaves a terminal', { concurrency: 4, skip: terminalMissing, timeout: 180_000 }, () => {
  async function open(t: TestContext, args: readonly string[], files = credentials) {
    const sts = await startSts();
    t.after(() => sts.close());
    sts.addUser(person);
    const home = makeHome(t, { config, credentials: files });
    const code = totp(person.totpSecret);
    const wrong = wrongCode(person.totpSecret);
    const search = new Search(t, { home, sts }, args, [code, wrong]);
    return { search, code, wrong, terminal: openTerminal(t, args, { home, sts, program: search.program(command()) }) };
  }

  test('a code that is typed, behind a wrong one and half a one', async (t) => {
    const { search, code, wrong, terminal } = await open(t, ['foobar']);
    for (const line of [wrong, code.slice(0, 3), code]) {
      await terminal.waitFor(/OTP for foobar/);
      terminal.type(`${line}\r`);
      await terminal.waitFor(line === code ? 'foobar: session until' : /did not accept the code|six digits are needed/);
    }
    assert.deepEqual(await terminal.exit, { status: 0, signal: null });
    await search.finish();
  });

  test('Ctrl-C behind a code that is typed', async (t) => {
    const { search, code, terminal } = await open(t, ['foobar'], expired);
    await terminal.waitFor(/OTP for foobar/);
    terminal.type(`${code}\u0003`);
    assert.deepEqual(await terminal.exit, { status: 130, signal: null });
    await search.finish();
  });

  test('--check in colours', async (t) => {
    const { search, terminal } = await open(t, ['--check'], expired);
    assert.deepEqual(await terminal.exit, { status: 3, signal: null });
    await search.finish();
  });
});

/** Replaces what Node offers by what throws an error that holds all that there is to know, as the errors of an SDK do. */
const hook = `
const fs = require('node:fs');
const http = require('node:http');
const held = [process.argv.join(' ')];
const keep = (name) => {
  const original = fs[name];
  fs[name] = (...args) => {
    const result = original(...args);
    held.push(String(name === 'readFileSync' ? result : args[1]));
    return result;
  };
};
const leak = () => {
  const text = held.join(' ');
  const error = new TypeError('request of ' + text, { cause: new Error(text) });
  return Object.assign(error, { $response: { body: text, headers: { held } }, request: { body: text }, [text]: text });
};
keep('readFileSync');
keep('writeFileSync');
`;

const faults: readonly { readonly name: string; readonly code: string; readonly says?: RegExp }[] = [
  {
    name: 'is thrown while the files are read',
    code: `fs.readFileSync = ((read) => (path, ...rest) => {
    const text = read(path, ...rest);
    if (!String(path).endsWith('credentials')) return text;
    held.push(String(text));
    throw leak();
  })(fs.readFileSync);`,
  },
  { name: 'is thrown while the file is written', code: 'fs.fsyncSync = () => { throw leak(); };' },
  { name: 'is no error but a string', code: 'fs.fsyncSync = () => { throw held.join(" "); };' },
  { name: 'is no error but an object', code: 'fs.fsyncSync = () => { throw { held, message: held.join(" ") }; };' },
  {
    name: 'comes through the connection',
    code: `http.request = ((request) => (...args) => {
    const made = request(...args);
    setImmediate(() => made.destroy(leak()));
    return made;
  })(http.request);`,
    says: /connection to .* broke/,
  },
  { name: 'is thrown in a callback', code: 'fs.fsyncSync = () => setImmediate(() => { throw leak(); });' },
  {
    name: 'is an event that nobody listens to',
    code: `fs.fsyncSync = () => setImmediate(() => {
    new (require('node:events'))().emit('error', leak());
  });`,
  },
  { name: 'is a promise that nobody waits for', code: 'fs.fsyncSync = () => void Promise.reject(leak());' },
  { name: 'is such a promise of a string', code: 'fs.fsyncSync = () => void Promise.reject(held.join(" "));' },
  {
    name: 'is such a promise of many errors',
    code: 'fs.fsyncSync = () => void Promise.any([Promise.reject(leak())]);',
  },
];

describe('an error that nobody foresaw prints no secret, where it', { concurrency: 4 }, () => {
  for (const { name, code, says } of faults) {
    const unexpected = /^refresh-mfa: error: .* \(unexpected: please report it\)\n/m;
    const path: Path = {
      name,
      args: ['foobar', '-t', 'CODE'],
      credentials: expired,
      variables: ({ t }) => {
        const folder = mkdtempSync(join(tmpdir(), 'refresh-mfa-hook-'));
        t.after(() => rmSync(folder, { recursive: true, force: true }));
        writeFileSync(join(folder, 'hook.cjs'), `${hook}${code}\n`);
        return { NODE_OPTIONS: `--require=${join(folder, 'hook.cjs')}` };
      },
      ...fails(says ?? unexpected, 1),
    };
    test(name, (t) => searchRun(t, path));
  }
});

// without these, nobody would know that the searches above can find anything
describe('the search finds a secret that', { concurrency: 4, skip: straceMissing }, () => {
  const printed = /^(socket|pipe):\S+ shows it$/m;
  const written = /\/x shows it$/m;
  const leaks: readonly (readonly [name: string, script: string, where: RegExp])[] = [
    ['is an argument', 'spawn("true", [secret])', /^an argument of true shows it$/m],
    [
      'a shell hands on',
      'spawn("/bin/true --key=$KEY; :", { shell: true, env: { KEY: secret } })',
      /^an argument of \/bin\/true shows it$/m,
    ],
    ['is in the environment', 'spawn("true", { env: { KEY: secret } })', /^the environment of true shows it$/m],
    ['is in a name', 'fs.existsSync(encodeURIComponent(secret))', /^a name shows it$/m],
    ['is printed', 'console.log(secret)', printed],
    ['is printed in base64', 'console.log(Buffer.from("bob:" + secret).toString("base64"))', printed],
    ['is printed in base64 for URLs', 'console.log(Buffer.from("to:" + secret).toString("base64url"))', printed],
    ['is printed for a URL', 'console.log(encodeURIComponent(secret))', printed],
    ['is printed as JSON', 'console.log(JSON.stringify(Buffer.from(secret)))', printed],
    ['is printed as bytes', 'console.log(Buffer.from(secret))', printed],
    ['is printed in capitals', 'console.log(secret.toUpperCase())', printed],
    ['is written in pieces', 'for (const part of secret) fs.appendFileSync("x", part)', written],
    ['is written by a thread', 'fs.promises.writeFile("x", secret)', written],
    ['is written at an offset', 'fs.writeSync(fs.openSync("x", "w"), Buffer.from(secret), 0, null, 9)', written],
    [
      'is written from many buffers',
      'fs.writevSync(fs.openSync("x", "w"), [...secret].map((part) => Buffer.from(part)))',
      written,
    ],
    ['goes to a server', 'require("net").connect(PORT, "127.0.0.1").end(secret)', /^port \d+ shows it$/m],
    ['is copied by the system', 'fs.copyFileSync("secret", "x")', /^bytes that strace does not show/m],
  ];
  for (const [kind, secret] of Object.entries({ key: stray, code: '287082' })) {
    for (const [name, script, where] of leaks) {
      test(`${name}: a ${kind}`, async (t) => {
        const sts = await startSts();
        t.after(() => sts.close());
        const home = makeHome(t);
        writeFileSync(join(home.path, 'secret'), secret);
        const begin = `const fs = require('node:fs'); const { spawn } = require('node:child_process');
          const secret = fs.readFileSync('secret', 'utf8');`;
        const code = `${begin}${script.replace('PORT', new URL(sts.url).port)}`;
        const path = traceFile(t);
        const { file, args } = traced({ file: process.execPath, args: ['-e', code] }, path);
        await once(spawn(file, args, { cwd: home.path, stdio: ['ignore', 'pipe', 'pipe'] }), 'exit');
        assert.match(findLeaks(readTrace(path), new Map([[secret, 'it']]), () => false).join('\n'), where);
      });
    }
  }

  test('is there but for its ends, and none where only a part or a longer number is', () => {
    assert.equal(holds(stray.slice(4, -5), stray), true);
    assert.equal(holds(`${stray.slice(0, 15)} ${stray.slice(17, 31)}`, stray), false);
    assert.equal(holds('12870827 and 287 082', '287082'), false);
  });
});

/** What a run may not show, and where it has shown it. */
class Search {
  readonly #t: TestContext;
  readonly #surroundings: Surroundings & { readonly sts: LocalSts };
  readonly #args: readonly string[];
  readonly #secrets: Map<string, string>;
  readonly #before: ReadonlyMap<string, string>;
  readonly #trace: string;

  constructor(
    t: TestContext,
    surroundings: Surroundings & { readonly sts: LocalSts },
    args: readonly string[],
    more: readonly string[],
  ) {
    this.#t = t;
    this.#surroundings = surroundings;
    this.#args = args;
    const named = more.map(
      (secret) => [secret, /^\d{6}$/.test(secret) ? 'a code' : secret === password ? 'a password' : 'a key'] as const,
    );
    this.#secrets = new Map(named);
    this.#before = contentsIn(surroundings.home.path);
    this.#trace = traceFile(t);
    this.learn();
  }

  /** Takes in what the files hold now. */
  learn(): void {
    for (const secret of secretsOf(this.#surroundings).keys()) this.#secrets.set(secret, 'a key');
  }

  /** The program, under strace where there is one. */
  program(program: Command): Command {
    return straceMissing ? program : traced(program, this.#trace);
  }

  /** Once the program has ended. */
  async finish(output?: Output): Promise<void> {
    const { home, sts } = this.#surroundings;
    this.learn();
    const target = existsSync(home.credentialsPath) ? realpathSync(home.credentialsPath) : home.credentialsPath;
    for (const [secret, kind] of this.#secrets) {
      for (const [stream, text] of Object.entries(output ?? {})) {
        if (typeof text === 'string') assert.ok(!holds(text, secret), `${stream} shows ${kind}`);
      }
      for (const [path, text] of contentsIn(home.path)) {
        const ours = path !== target && text !== this.#before.get(path);
        assert.ok(!ours || !holds(text, secret), `${path}, which is new, shows ${kind}`);
      }
    }
    await this.#t.test('nor in what strace shows', { skip: straceMissing }, () => {
      const trace = readTrace(this.#trace);
      const own = new Set(Object.entries(environment(this.#surroundings)).map(([name, value]) => `${name}=${value}`));
      const started = trace.started.map(({ itself, args, env }) => ({
        itself,
        // what the person has typed and set
        args: itself ? args.filter((word) => !this.#args.includes(word)) : args,
        env: env.filter((variable) => !own.has(variable)),
      }));
      const call = `port ${new URL(sts.url).port}`;
      const isMeant = (place: string, kind: string) => {
        if (kind === 'a key') return place.startsWith(`${target}.`) && /^\.\d+$/.test(place.slice(target.length));
        if (kind === 'a password') return place.startsWith('port ') && place !== call;
        return place.startsWith('port ') || place.startsWith('/dev/pts/');
      };
      assert.deepEqual(findLeaks({ ...trace, started }, this.#secrets, isMeant), []);
    });
  }
}

/** Each as `PLACE shows KIND`, but for those that are meant to be there. */
function findLeaks(
  trace: Trace,
  secrets: ReadonlyMap<string, string>,
  isMeant: (place: string, kind: string) => boolean,
): string[] {
  const places: [place: string, text: string][] = [
    ...trace.started.flatMap(({ args, env }): [string, string][] => [
      [`an argument of ${args[0]}`, args.join('\0')],
      [`the environment of ${args[0]}`, env.join('\0')],
    ]),
    ['a name', trace.names.join('\0')],
    ...trace.written,
  ];
  const found = places.flatMap(([place, text]) =>
    [...secrets]
      .filter(([secret, kind]) => !isMeant(place, kind) && holds(text, secret))
      .map(([, kind]) => `${place} shows ${kind}`),
  );
  return [...found, ...trace.unseen.map((call) => `bytes that strace does not show: ${call}`)];
}

/** Every file below the folder by its path, a character a byte. */
function contentsIn(folder: string): Map<string, string> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name));
  return new Map(files.filter((path) => lstatSync(path).isFile()).map((path) => [path, readFileSync(path, 'latin1')]));
}

function traceFile(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'refresh-mfa-trace-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'trace');
}

function keyLines({ accessKeyId, secretAccessKey }: User): string {
  return `aws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\n`;
}

/** The secrets among the lines of a file. */
function valuesOf(text: string): string[] {
  return [...text.matchAll(/^aws_(?:secret_access_key|session_token) = (.*)$/gm)].map(([, value = '']) => value);
}

function toAnswer(secretKey: string, token: string): string {
  const keys = `<AccessKeyId>ASIAIOSFODNN7EXAMPLE</AccessKeyId><SecretAccessKey>${secretKey}</SecretAccessKey>`;
  const rest = `<SessionToken>${token}</SessionToken><Expiration>2090-07-11T19:55:29Z</Expiration>`;
  return `<GetSessionTokenResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetSessionTokenResult><Credentials>${keys}${rest}</Credentials></GetSessionTokenResult></GetSessionTokenResponse>`;
}
