// The cases of test/cases, but for those that secrets.test.ts runs. REFRESH_MFA_CASES picks those whose `topic: title` it matches.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { caseTopics, parseCases } from './helpers/cases';
import { runCase, secretTopics, testTopic } from './helpers/stage';

for (const topic of caseTopics()) if (!secretTopics.includes(topic)) testTopic(topic);

const files = `--- ~/.aws/config
[profile foobar]
mfa_serial = arn:aws:iam::123456789012:mfa/phone
--- ~/.aws/credentials
[foobar-long-term]
{keys}
## A title
`;
/** A program that asks nothing takes the place of the tool. */
const quick = `${files}$ : refresh-mfa; echo one; echo two; echo three >&2; read code
< {code}
> one
> two
! three
`;
const whole = `${files}$ refresh-mfa foobar; :
< {code}
> foobar: session until {time} (12 h), written to ~/.aws/credentials
+ foobar
`;

type Row = readonly [name: string, from: string | RegExp, to: string, says: RegExp];
const rows: readonly Row[] = [
  ['all is well', 'A title', 'Another title', /^$/],
  ['a line is another', '> one', '> on', /^- > on\n\+ > one$/m],
  ['any lines may be there', '> one\n> two', '> ...', /^$/],
  ['a line is too many', '> two', '> two\n> no', /^- > no$/m],
  ['a line does not end', 'echo two', 'printf two', /^- > two\n\+ > two\\ no newline at end$/m],
  ['a stream is another', '! three', '> three', /^- > three\n\+ ! three$/m],
  ['the status is another', '! three', '! three\n= 3', /^- = 3\n\+ = 0$/m],
  ['no session was written', '! three', '! three\n+ foobar', /^- aws_session_token = \{token 0\}$/m],
  ['another file is there', '; read', '; echo x >.aws/y; read', /^\+ --- ~\/.aws\/y .*\n\+ x$/m],
  ['a file is gone', '; read', '; rm .aws/config; read', /^- --- ~\/.aws\/config .*\n- \[profile foobar\]/m],
  ['a file is another', /$/, '--- ~/.aws/credentials\n[foobar]', /^\+ \[foobar-long-term\]$/m],
  ['the mode is another', /$/, '--- ~/.aws/config (mode 644)', /^- .* \(mode 644\)\n\+ .* \(mode 600\)$/m],
  ['a secret shows', 'echo two', 'cat .aws/credentials', /^\+ = stdout shows a value of aws_secret/m],
  ['a code shows', /$/, '$ echo {used code}; :\n> {any}\n', /^\+ = stdout shows a one-time password/m],
  ['a line cannot be understood', '! three', '* three', /^x:12: what is this: \* three$/],
  ['a flag cannot be understood', '/.aws/config', '/.aws/config (CR)', /^x:1: there is no flag \(CR\)/],
  ['an answer cannot be understood', '$ :', 'sts: nothing\n$ :', /^x:8: the STS does not know this/],
  ['a title is there twice', /$/, '## A title\n$ true\n', /^x:13: this title is taken/],
  ['there is no command', /\$ [\s\S]*/, '', /^x:7: this case has no command/],
];
const wholeRows: readonly Row[] = [
  ['the session was not told', '+ foobar\n', '', /^\+ \? GetSessionToken[\s\S]*^\+ aws_session_token = \{token\}$/m],
  ['a call was not the usual one', '$ ', '$ AWS_REGION=eu-west-1 ', /^- \? .* us-east-1 .*\n\+ \? .* eu-west-1 /m],
  ['a call was another', '+ foobar', '? GetSessionToken\n+ foobar', /^- \? GetSessionToken$/m],
  ['another section was written', '+ foobar', '+ acme', /^- aws_session_token = \{token 1\}$/m],
  ['another line was lost', '; :', '; sed -i.bak /long/d .aws/credentials; rm .aws/*.bak', /^- \[foobar-long-term\]$/m],
];

// without these, nobody would know that a case can fail
describe('the runner of cases sees that', { concurrency: 2 }, () => {
  for (const [base, [name, from, to, says]] of [
    ...rows.map((row) => [quick, row] as const),
    ...wholeRows.map((row) => [whole, row] as const),
  ]) {
    test(name, async (t) => {
      let problem = '';
      try {
        const text = base.replace(from, () => to);
        assert.notEqual(text, base);
        for (const one of parseCases(text, 'x')) await runCase(t, one);
      } catch (error) {
        problem = (error as Error).message;
      }
      assert.match(problem, says);
    });
  }
});
