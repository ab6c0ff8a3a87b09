// What STS, a proxy and the network say, and the words for it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { explainFailure, type Failure, isFromSts, type Route } from '../lib/failures';
import type { Identity } from '../lib/identity';
import { person, serial } from './helpers/scene';

const host = 'sts.us-east-1.amazonaws.com';
const direct: Route = { host, proxy: undefined, variable: 'HTTPS_PROXY' };

function explain(failure: Failure, { region = 'us-east-1', route = direct } = {}) {
  const { accessKeyId, secretAccessKey } = person;
  const source = { accessKeyId, secretAccessKey, where: '~/.aws/credentials:2' };
  const identity = { source: 'foobar-long-term', serial, region, keys: source } as Identity;
  const error = explainFailure(failure, { ...route, identity, code: '287082', repeated: false });
  const lines = [error.message, ...error.hints];
  for (const [index, line] of lines.entries()) {
    assert.doesNotMatch(line, /SECRET|287082|allow sts:/);
    // with the words before it, each fits a terminal where the names in it are short
    const isLong = `${index ? 'hint: ' : 'refresh-mfa: error: '}${line}`.length > 80;
    if (isLong) assert.match(line, /STS said|arn:|foobar-long-term|the proxy|certificate of/);
  }
  assert.equal(error.code, failure.$fault && isFromSts(failure) ? 'aws' : 'network');
  return lines;
}

function fromSts(httpStatusCode: number, name: unknown, message: unknown): Failure {
  return { name, message, $fault: 'client', $metadata: { httpStatusCode } };
}

/** What people got from STS, word for word, a line each; then what we say. */
const answers = `
403 AccessDenied MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number is valid and associated with this user.
  STS could not check the code with ${serial}
  to see the devices: aws iam list-mfa-devices --profile foobar-long-term
  if it is one of them: resync it in the IAM console
403 AccessDenied Cannot call GetSessionToken with session credentials
  source foobar-long-term holds a session, not long-lived keys (~/.aws/credentials:2)
  set source_profile to the profile with the long-lived keys
403 AccessDenied User: USER is not authorized to perform: sts:GetSessionToken because no VPC endpoint policy allows the sts:GetSessionToken action
  a VPC endpoint policy does not allow GetSessionToken | ask the owner of the endpoint to change its policy
403 AccessDenied User: USER is not authorized to perform: sts:GetSessionToken with an explicit deny in a service control policy: arn:aws:organizations::1:policy/o-1/p-1
  a service control policy denies GetSessionToken | ask its owner to change it
403 AccessDenied User: USER is not authorized to perform: sts:GetSessionToken with an explicit deny in a permissions boundary
  a permissions boundary denies GetSessionToken | ask its owner to change it
403 AccessDenied User: USER is not authorized to perform: sts:GetSessionToken with an explicit deny in 3 places
  a policy denies GetSessionToken | ask its owner to change it
403 AccessDenied no by DenyExpiredContractors
  AWS denied GetSessionToken to the user of foobar-long-term | STS said: no by DenyExpiredContractors
403 AccessDenied no for arn:aws:iam::1:user/not-expired-unable-to-validate-MFA-code
  AWS denied GetSessionToken to the user of foobar-long-term
  STS said: no for arn:aws:iam::1:user/not-expired-unable-to-validate-MFA-code
403 AccessDenied
  AWS denied GetSessionToken to the user of foobar-long-term
403 InvalidClientTokenId The security token included in the request is invalid.
  access key unknown in us-east-1 (~/.aws/credentials:2)
  if the key was deleted or disabled: make a new one in the IAM console
403 SignatureDoesNotMatch The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.
  wrong aws_secret_access_key (~/.aws/credentials:2) | copy it again, whole
403 SignatureDoesNotMatch Credential should be scoped to a valid region, not 'us-east-2'.
  ${host} is not the endpoint of us-east-1 | set AWS_REGION, or region, to that of the endpoint
403 SignatureDoesNotMatch Signature expired: 20160609T184512Z is now earlier than 20160609T184613Z (20160609T185113Z - 5 min.)
403 SignatureDoesNotMatch Signature not yet current: 20261121T100000Z is still later than 20261121T090500Z (20261121T090000Z + 5 min.)
400 RequestExpired Request has expired.
403 RequestTimeTooSkewed The difference between the request time and the current time is too large.
  this computer's clock is too far off for STS | set it: timedatectl set-ntp true (macOS: sntp -sS time.apple.com)
400 IncompleteSignature Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got 'SECRET/WITH/SLASHES/AKIA'
400 IncompleteSignature 'SECRET' not a valid key=value pair (missing equal-sign) in Authorization header: 'AWS4-HMAC-SHA256 Credential=SECRET'.
  STS cannot read the access key (~/.aws/credentials:2) | copy both keys again, each on its own line
403 RegionDisabledException STS is not activated in this region for account:123456789012. Your account administrator can activate STS in this region using the IAM Console.
  STS is not active in us-east-1 for this account | set AWS_REGION, or region, to one that is, such as us-east-1
403 OptInRequired The AWS access key ID needs a subscription for the service.
  the AWS account of foobar-long-term is not signed up | finish its sign-up in the AWS console, or ask its owner
400 Throttling Rate exceeded
400 ThrottlingException Rate exceeded
  STS gets too many calls (throttling) | wait a minute, then use a new code
400 ValidationError Value '287082' at 'tokenCode' failed\tto \u0085 satisfy \u001b[2Jconstraint
  STS refused the call (ValidationError) | STS said: Value '******' at 'tokenCode' failed to satisfy [2Jconstraint
400 ValidationError ${'x'.repeat(9999)}
  STS refused the call (ValidationError) | STS said: ${'x'.repeat(500)}
500 InternalFailure SECRET
  STS has an internal problem (InternalFailure) | try again with the next code
400 Teapot SECRET, of which nobody has heard
  STS refused the call (Teapot) | try again with the next code
`;

describe('an error of STS', () => {
  for (const [, heads = '', words = ''] of answers.matchAll(/((?:\d.*\n)+)((?: .*\n)+)/g)) {
    for (const head of heads.trim().split('\n')) {
      const [, status, code, message] = /^(\d+) (\w+) ?(.*)$/.exec(head) ?? [];
      test(head.slice(0, 160), () => {
        assert.deepEqual(explain(fromSts(Number(status), code, message)), words.trim().split(/\n\s+| \| /));
      });
    }
  }

  for (const [where, regions, hint] of [
    ['everywhere', 'us-west-2 eu-west-3 eu-north-1 sa-east-1 ap-northeast-3 cn-northwest-1 us-gov-west-1', []],
    ['perhaps here alone', 'ap-east-1 eu-south-2 ca-west-1', ['set AWS_REGION=us-east-1']],
  ] as const) {
    test(`a key that is unknown in ${regions} is so ${where}`, () => {
      for (const region of regions.split(' ')) {
        assert.deepEqual(explain(fromSts(403, 'InvalidClientTokenId', ''), { region }), [
          `access key unknown in ${region} (~/.aws/credentials:2)`,
          ...hint.map((what) => `if your account has not enabled ${region}: ${what}`),
          'if the key was deleted or disabled: make a new one in the IAM console',
        ]);
      }
    });
  }

  test('a message that is no text is none', () => {
    assert.deepEqual(explain(fromSts(403, 'AccessDenied', ['one', 'two'])), [
      'AWS denied GetSessionToken to the user of foobar-long-term',
    ]);
  });

  for (const name of ['Unknown', 'Error', 'SyntaxError', ['AccessDenied', 'Foo'], 'a b', '', 'x'.repeat(81)]) {
    test(`a document whose code is ${JSON.stringify(name).slice(0, 30)} is none of STS`, () => {
      assert.equal(isFromSts(fromSts(403, name, '')), false);
    });
  }
});

describe('what is not from STS', () => {
  const proxy = 'the proxy proxy.example.com:3128';
  const byProxy = (status?: number): Route => ({
    ...direct,
    proxy: 'proxy.example.com:3128',
    ...(status && { proxyStatus: status }),
  });
  const portal = 'log in to the network in a browser, or check HTTPS_PROXY and the endpoint';
  const again = 'check the network, VPN or proxy, then use the next code';
  const company = 'if a company proxy inspects TLS, set AWS_CA_BUNDLE to its certificate';
  const says = (failure: Failure, what: string, hint = again, route: Route = direct) => {
    test(`${JSON.stringify(failure)}${route === direct ? '' : ` by a proxy, ${route.proxyStatus}`}`, () => {
      assert.deepEqual(explain(failure, { route }), [what, hint]);
    });
  };
  const page = (status: number) => fromSts(status, 'Unknown', undefined);

  says(page(403), `what answered for ${host} is not STS`, portal, byProxy(200));
  const login = 'set HTTPS_PROXY=http://<name>:<password>@<host>:<port>, with %40 for @';
  says(page(407), `${proxy} wants another password (407)`, login, byProxy());
  const exempt = 'ask its owner to allow that host, or add the host to NO_PROXY';
  says(page(403), `${proxy} refuses ${host} (403)`, exempt, byProxy(403));
  const down = 'check that the proxy is up, then use the next code';
  says(page(502), `${proxy} cannot reach ${host} (502)`, down, byProxy(502));

  says({ code: 'EAI_AGAIN' }, `cannot find ${proxy}: no network or DNS`, again, byProxy());
  says({ code: 'ECONNREFUSED' }, `${proxy} refused the connection`, again, byProxy());
  says({ code: 'EHOSTUNREACH', errors: [1, 2] }, `cannot connect to ${host} (EHOSTUNREACH)`);
  const system = { name: 'TimeoutError', code: 'ETIMEDOUT', message: 'connect ETIMEDOUT 192.0.2.1:3128' };
  says(system, `cannot connect to ${host} through ${proxy} within 5 s`, again, byProxy());
  says({ name: 'RangeError' }, `connection to ${host} broke (RangeError)`);

  const untrusted = (code: string, of = host) => `cannot trust the certificate of ${of} (${code})`;
  const unknown = 'UNABLE_TO_VERIFY_LEAF_SIGNATURE';
  says({ code: unknown }, untrusted(unknown, proxy), company, byProxy());
  says({ code: unknown }, untrusted(unknown), company, byProxy(200));
  const expired = "check this computer's date; if it is right, the certificate is too old";
  says({ code: 'CERT_HAS_EXPIRED' }, untrusted('CERT_HAS_EXPIRED'), expired);
  const foreign = 'another host answers there: log in to the network, or check the endpoint';
  says({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' }, untrusted('ERR_TLS_CERT_ALTNAME_INVALID'), foreign);
});
