// Asks botocore itself what it makes of files, in one process for all questions. Where only a plain Python is there, its
// RawConfigParser, by which botocore reads, tells the sections.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { devNull } from 'node:os';
import { find } from './which';

/** Two files, and the profiles whose keys are wanted. */
type Question = Readonly<{ config?: string; credentials: string; profiles?: readonly string[] | undefined }>;

interface Asked {
  /** What the first call to AWS is signed with: the profile's keys, or those at the end of its `source_profile` chain. */
  readonly keys: readonly [id: string, secret: string, token: string | null] | null;
  readonly region: string | null;
  readonly serial: string | null;
}

export interface Answer {
  /** The file that cannot be read, so that no command works. */
  readonly refused: 'config' | 'credentials' | null;
  /** The sections of the credentials file; values of nested blocks are records. */
  readonly sections: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly asked: Readonly<Record<string, Asked>>;
}

// A role is assumed at a client that only notes down which keys it was made with.
const judge = `
import configparser, datetime, json, os, sys
try:
    import botocore.configloader, botocore.exceptions as exceptions, botocore.session
    parse, Refused, Error = botocore.configloader.raw_config_parse, exceptions.ConfigParseError, exceptions.BotoCoreError
except ImportError:
    botocore, Refused = None, (configparser.Error, ValueError)
    def parse(path):
        parser = configparser.RawConfigParser()
        with open(path, encoding='utf-8') as file:
            parser.read_file(file)
        return {name: {key: nest(value) for key, value in parser.items(name)} for name in parser.sections()}
    def nest(value):
        if not value.startswith('\\n'):
            return value
        return dict(map(str.strip, line.split('=', 1)) for line in value.splitlines() if line.strip())
def read(path):
    return parse(path) if os.path.isfile(path) else {}
class Client:
    def assume_role(self, **_):
        end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
        return {'Credentials': {'AccessKeyId': 'id', 'SecretAccessKey': 'secret', 'SessionToken': 'token', 'Expiration': end}}
def ask(name):
    session = botocore.session.Session(profile=name, include_builtin_handlers=False)
    made = []
    def create_client(_, **keys):
        made.append([keys['aws_access_key_id'], keys['aws_secret_access_key'], keys['aws_session_token']])
        return Client()
    session.create_client = create_client
    answer = {'keys': None, 'region': None, 'serial': None}
    try:
        answer['region'] = session.get_config_variable('region')
        answer['serial'] = session.get_scoped_config().get('mfa_serial')
        session.get_component('credential_provider').get_provider('assume-role')._prompter = lambda _: '123456'
        found = session.get_credentials()
        if found is not None:
            own = list(found.get_frozen_credentials()[:3])
            answer['keys'] = made[0] if made else own
    except Error:
        pass
    return answer
def judge(question):
    config = os.environ['AWS_CONFIG_FILE'] = question.get('config', os.devnull)
    credentials = os.environ['AWS_SHARED_CREDENTIALS_FILE'] = question['credentials']
    answer = {'refused': 'config', 'sections': {}, 'asked': {}}
    try:
        read(config)
        answer['refused'] = 'credentials'
        answer['sections'] = read(credentials)
        answer['refused'] = None
        answer['asked'] = {name: ask(name) for name in question.get('profiles', []) if botocore}
    except Refused:
        pass
    return answer
for line in sys.stdin:
    print(json.dumps(judge(json.loads(line))))
`;

/** The Python that runs the `aws` command, where it has one, else any that has botocore; else any. */
export function findPython(): { readonly file: string; readonly hasBotocore: boolean } | undefined {
  const runs = (code: string) => (file: string) => spawnSync(file, ['-c', code], { stdio: 'ignore' }).status === 0;
  const aws = find('aws');
  const [, own] = /^#!\s*(\S*\/python[\d.]*)\s/.exec(aws ? readFileSync(aws, 'latin1') : '') ?? [];
  const files = [...(own ? [own] : []), 'python3', 'python'];
  const file = files.find(runs('import botocore.session'));
  if (file) return { file, hasBotocore: true };
  const plain = files.find(runs('import json'));
  return plain === undefined ? undefined : { file: plain, hasBotocore: false };
}

export async function askBotocore(python: string, questions: readonly Question[]): Promise<Answer[]> {
  // the home folder may hold the packages, and must not give any keys
  const { PATH, HOME } = process.env;
  const env = { PATH, HOME, PYTHONUTF8: '1', AWS_EC2_METADATA_DISABLED: 'true', BOTO_CONFIG: devNull };
  const input = questions.map((question) => `${JSON.stringify(question)}\n`).join('');
  const output = execFileSync(python, ['-c', judge], { env, input, encoding: 'utf8', maxBuffer: 2 ** 30 });
  const answers = output.split('\n').slice(0, -1);
  assert.equal(answers.length, questions.length, 'answers');
  return answers.map((line) => JSON.parse(line));
}
