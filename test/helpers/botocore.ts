import { spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, readSync, realpathSync } from 'node:fs';
import { devNull } from 'node:os';
import { createInterface } from 'node:readline';
import { find } from './which';

/** Two files, and the profiles that botocore is asked about. */
export interface Question {
  readonly config: string;
  readonly credentials: string;
  /** Whose region and keys are wanted. */
  readonly profiles?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Values as botocore has them; those of nested blocks are records. */
export type Settings = Readonly<Record<string, string | Readonly<Record<string, string>>>>;
export type Keys = readonly [id: string, secret: string, token: string | null];

export interface Answer {
  /** The file that cannot be read, so that no command works. */
  readonly refused: 'config' | 'credentials' | null;
  /** The sections of each file by the names in their headers, and the config's profiles by theirs. */
  readonly config: Readonly<Record<string, Settings>>;
  readonly configProfiles: Readonly<Record<string, Settings>>;
  readonly credentials: Readonly<Record<string, Settings>>;
  /** The config's headers in order, each with the profile that it would be without blanks around it. */
  readonly headers: readonly (readonly [header: string, profile: string | null])[];
  /** Both files' profiles, merged. */
  readonly profiles: Readonly<Record<string, Settings>>;
  readonly asked: Readonly<Record<string, Asked>>;
}

export interface Asked {
  readonly region: string | null;
  /** What the first call to AWS is signed with: the profile's keys, or those at the end of its `source_profile` chain. */
  readonly keys: Keys | null;
  /** Why there are none. */
  readonly error: string | null;
}

// A role is assumed at a client that only notes down which keys it was made with.
const judge = `
import datetime, json, os, sys
import botocore.configloader as loader, botocore.exceptions as exceptions, botocore.session

class Client:
    def assume_role(self, **_):
        end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
        return {'Credentials': {'AccessKeyId': 'id', 'SecretAccessKey': 'secret', 'SessionToken': 'token', 'Expiration': end}}

surroundings = dict(os.environ)

def read(path):
    try:
        return loader.raw_config_parse(path)
    except exceptions.ConfigNotFound:
        return {}

def ask(name):
    session = botocore.session.Session(profile=name, include_builtin_handlers=False)
    made = []
    def create_client(_, **keys):
        made.append([keys['aws_access_key_id'], keys['aws_secret_access_key'], keys['aws_session_token']])
        return Client()
    session.create_client = create_client
    answer = {'region': None, 'keys': None, 'error': None}
    try:
        answer['region'] = session.get_config_variable('region')
        resolver = session.get_component('credential_provider')
        resolver.get_provider('assume-role')._prompter = lambda _: '123456'
        found = session.get_credentials()
        if found is not None:
            own = list(found.get_frozen_credentials()[:3])
            answer['keys'] = made[0] if made else own
    except exceptions.BotoCoreError as error:
        answer['error'] = type(error).__name__
    return answer

def judge(question):
    os.environ.clear()
    os.environ.update(surroundings)
    os.environ.update(question.get('env', {}))
    os.environ['AWS_CONFIG_FILE'] = question['config']
    os.environ['AWS_SHARED_CREDENTIALS_FILE'] = question['credentials']
    answer = {'refused': None, 'config': {}, 'configProfiles': {}, 'credentials': {}, 'headers': [],
              'profiles': {}, 'asked': {}}
    try:
        answer['refused'] = 'config'
        answer['config'] = read(question['config'])
        answer['configProfiles'] = loader.build_profile_map(answer['config'])['profiles']
        for header in answer['config']:
            found = loader.build_profile_map({header.strip(" \\t"): {}})['profiles']
            answer['headers'].append([header, next(iter(found), None)])
        answer['refused'] = 'credentials'
        answer['credentials'] = read(question['credentials'])
        session = botocore.session.Session(include_builtin_handlers=False)
        answer['profiles'] = session.full_config['profiles']
        answer['refused'] = None
    except exceptions.ConfigParseError:
        return answer
    for name in question.get('profiles', []):
        answer['asked'][name] = ask(name)
    return answer

for line in sys.stdin:
    print(json.dumps(judge(json.loads(line))), flush=True)
`;

/** The Python that runs the `aws` command, where it has one, else any that has botocore. */
export function findBotocore(): string | undefined {
  const works = (python: string) =>
    spawnSync(python, ['-c', 'import botocore.session'], { stdio: 'ignore' }).status === 0;
  return [pythonOf('aws') ?? [], 'python3', 'python'].flat().find(works);
}

/** The interpreter in a script's first line. */
function pythonOf(program: string): string | undefined {
  const path = find(program);
  if (!path) return undefined;
  const file = openSync(realpathSync(path), 'r');
  const start = Buffer.alloc(256);
  readSync(file, start);
  closeSync(file);
  return /^#!\s*(\S*\/python[\d.]*)\s/.exec(start.toString('latin1'))?.[1];
}

/** Asks botocore itself, in one process for all questions. */
export async function askBotocore(python: string, questions: readonly Question[]): Promise<Answer[]> {
  // the home folder may hold the packages, and must not give any keys
  const { PATH, HOME } = process.env;
  const env = { PATH, HOME, PYTHONUTF8: '1', AWS_EC2_METADATA_DISABLED: 'true', BOTO_CONFIG: devNull };
  const child = spawn(python, ['-c', judge], { env, stdio: ['pipe', 'pipe', 'inherit'] });
  // one that ends early leaves too few answers
  child.stdin.on('error', () => {});
  child.stdin.end(questions.map((question) => `${JSON.stringify(question)}\n`).join(''));
  const answers: Answer[] = [];
  for await (const line of createInterface({ input: child.stdout })) answers.push(JSON.parse(line));
  if (answers.length !== questions.length)
    throw new Error(`botocore answered ${answers.length} of ${questions.length}`);
  return answers;
}
