import { run, type Surroundings } from './run';

const script = `
const [providers, client, ...profiles] = process.argv.slice(1);
const { fromIni } = require(providers);
const { GetCallerIdentityCommand, STSClient } = require(client);
const call = async (profile) => {
  const sts = new STSClient({ region: 'us-east-1', credentials: fromIni({ profile }) });
  console.log((await sts.send(new GetCallerIdentityCommand({}))).Arn);
};
profiles.reduce((before, profile) => before.then(() => call(profile)), Promise.resolve()).catch((error) => {
  console.error(error.name + ': ' + error.message);
  process.exitCode = 1;
});
`;

/** Whom STS takes AWS's JS SDK for, profile by profile, when it reads the two files in a process of its own: ARNs. */
export async function getCallers(profiles: readonly string[], surroundings: Surroundings): Promise<string[]> {
  const modules = ['@aws-sdk/credential-providers', '@aws-sdk/client-sts'].map((name) => require.resolve(name));
  const { status, stdout, stderr } = await run(['-e', script, ...modules, ...profiles], {
    ...surroundings,
    env: { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true', ...surroundings.env },
    program: { file: process.execPath, args: [] },
  });
  if (status !== 0) throw new Error(`the SDK could not call as ${profiles.join(', ')}: ${stderr}`);
  return stdout.trimEnd().split('\n');
}
