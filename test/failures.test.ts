// What STS, a proxy and the network say, and the words for it. Each answer of STS is one that somebody got.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { explainFailure, type Failure, isFromSts, type Route, WrongCode } from '../lib/failures';
import type { Identity } from '../lib/identity';
import { person, serial } from './helpers/scene';

const route: Route = {
  host: 'sts.us-east-1.amazonaws.com',
  proxy: undefined,
  variable: 'HTTPS_PROXY',
  proxyStatus: () => undefined,
};
const behindProxy: Route = { ...route, proxy: 'proxy.example.com:3128' };
const again = 'check the network, VPN or proxy, then use the next code';

interface Circumstances {
  readonly region?: string;
  readonly repeated?: boolean;
  readonly route?: Route;
}

function explain(failure: Failure, { region = 'us-east-1', repeated = false, route: way = route }: Circumstances = {}) {
  const { accessKeyId, secretAccessKey } = person;
  const keys = { accessKeyId, secretAccessKey, where: '~/.aws/credentials:2' };
  const identity = { source: 'foobar-long-term', serial, region, keys } as Identity;
  const error = explainFailure(failure, { identity, code: '287082', route: way, repeated });
  return { code: error.code, lines: [error.message, ...error.hints], mayBeRetried: error instanceof WrongCode };
}

function fromSts(httpStatusCode: number, name: unknown, message: unknown): Failure {
  return { name, message, $fault: 'client', $metadata: { httpStatusCode } };
}

const clock = [
  "this computer's clock is too far off for STS",
  'set it: timedatectl set-ntp true (macOS: sntp -sS time.apple.com)',
];
const unknownKey = [
  'access key unknown in us-east-1 (~/.aws/credentials:2)',
  'if the key was deleted or disabled: make a new one in the IAM console',
];
const user = 'User: arn:aws:iam::123456789012:user/bob is not authorized to perform: sts:GetSessionToken';

const answers: readonly (readonly [
  status: number,
  code: string,
  message: string,
  words: readonly string[],
  circumstances?: Circumstances,
])[] = [
  [
    403,
    'AccessDenied',
    'MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number is valid and associated with this user.',
    [
      `STS could not check the code with ${serial}`,
      'to see the devices: aws iam list-mfa-devices --profile foobar-long-term',
      'if it is one of them: resync it in the IAM console',
    ],
  ],
  [
    403,
    'AccessDenied',
    'Cannot call GetSessionToken with session credentials',
    [
      'source foobar-long-term holds a session, not long-lived keys (~/.aws/credentials:2)',
      'set source_profile to the profile with the long-lived keys',
    ],
  ],
  [
    403,
    'AccessDenied',
    `${user} because no VPC endpoint policy allows the sts:GetSessionToken action`,
    ['a VPC endpoint policy does not allow GetSessionToken', 'ask the owner of the endpoint to change its policy'],
  ],
  ...(
    [
      ['in a service control policy: arn:aws:organizations::1:policy/o-1/p-1', 'a service control policy'],
      ['in a resource control policy', 'a resource control policy'],
      ['in an identity-based policy: arn:aws:iam::123456789012:policy/no', 'an identity-based policy'],
      ['in a permissions boundary: arn:aws:iam::123456789012:policy/no', 'a permissions boundary'],
      ['in 3 places', 'a policy'],
    ] as const
  ).map(
    ([place, policy]) =>
      [
        403,
        'AccessDenied',
        `${user} with an explicit deny ${place}`,
        [`${policy} denies GetSessionToken`, 'ask its owner to change it'],
      ] as const,
  ),
  // neither is a clock that is wrong, nor a device
  ...[
    `${user} by DenyExpiredContractors`,
    user.replace('user/bob', 'user/not-expired-bob'),
    user.replace('user/bob', 'user/unable-to-validate-MFA-code'),
  ].map(
    (message) =>
      [
        403,
        'AccessDenied',
        message,
        ['AWS denied GetSessionToken to the user of foobar-long-term', `STS said: ${message}`],
      ] as const,
  ),
  [403, 'InvalidClientTokenId', 'The security token included in the request is invalid.', unknownKey],
  ...['eu-west-3', 'sa-east-1', 'ap-northeast-3', 'cn-northwest-1', 'us-gov-west-1', 'ap-east-1', 'eu-south-2'].map(
    (region) =>
      [
        403,
        'InvalidClientTokenId',
        'The security token included in the request is invalid.',
        [
          unknownKey[0]?.replace('us-east-1', region) ?? '',
          ...(/^(ap-east|eu-south)/.test(region)
            ? [`if your account has not enabled ${region}: set AWS_REGION=us-east-1`]
            : []),
          unknownKey[1] ?? '',
        ],
        { region },
      ] as const,
  ),
  [
    403,
    'SignatureDoesNotMatch',
    'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.',
    ['wrong aws_secret_access_key (~/.aws/credentials:2)', 'copy it again, whole'],
  ],
  [
    403,
    'SignatureDoesNotMatch',
    "Credential should be scoped to a valid region, not 'us-east-2'.",
    [
      'sts.us-east-1.amazonaws.com is not the endpoint of us-east-2',
      'set AWS_REGION, or region, to that of the endpoint',
    ],
    { region: 'us-east-2' },
  ],
  [
    403,
    'SignatureDoesNotMatch',
    'Signature expired: 20160609T184512Z is now earlier than 20160609T184613Z (20160609T185113Z - 5 min.)',
    clock,
  ],
  [
    403,
    'SignatureDoesNotMatch',
    'Signature not yet current: 20261121T100000Z is still later than 20261121T090500Z (20261121T090000Z + 5 min.)',
    clock,
  ],
  [400, 'RequestExpired', 'Request has expired.', clock],
  [403, 'RequestTimeTooSkewed', 'The difference between the request time and the current time is too large.', clock],
  ...[
    "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got 'SECRET/WITH/SLASHES/AKIA'",
    "'SECRET' not a valid key=value pair (missing equal-sign) in Authorization header: 'AWS4-HMAC-SHA256 Credential=SECRET'.",
  ].map(
    (message) =>
      [
        400,
        'IncompleteSignature',
        message,
        ['STS cannot read the access key (~/.aws/credentials:2)', 'copy both keys again, each on its own line'],
      ] as const,
  ),
  [
    403,
    'RegionDisabledException',
    'STS is not activated in this region for account:123456789012. Your account administrator can activate STS in this region using the IAM Console.',
    ['STS is not active in eu-west-1 for this account', 'set AWS_REGION, or region, to one that is, such as us-east-1'],
    { region: 'eu-west-1' },
  ],
  [
    403,
    'OptInRequired',
    'The AWS access key ID needs a subscription for the service.',
    ['the AWS account of foobar-long-term is not signed up', 'finish its sign-up in the AWS console, or ask its owner'],
  ],
  ...['Throttling', 'ThrottlingException'].map(
    (code) =>
      [
        400,
        code,
        'Rate exceeded',
        ['STS gets too many calls (throttling)', 'wait a minute, then use a new code'],
      ] as const,
  ),
  [
    400,
    'ValidationError',
    "1 validation error detected: Value '287082' at 'tokenCode' failed\n to satisfy\u0085 \u001b[2Jconstraint",
    [
      'STS refused the call (ValidationError)',
      "STS said: 1 validation error detected: Value '******' at 'tokenCode' failed to satisfy [2Jconstraint",
    ],
  ],
  [400, 'ValidationError', '', ['STS refused the call (ValidationError)']],
  [
    400,
    'ValidationError',
    'x'.repeat(9999),
    ['STS refused the call (ValidationError)', `STS said: ${'x'.repeat(500)}`],
  ],
  [500, 'InternalFailure', 'SECRET', ['STS has an internal problem (InternalFailure)', 'try again with the next code']],
  [
    503,
    'ServiceUnavailable',
    'SECRET',
    ['STS has an internal problem (ServiceUnavailable)', 'try again with the next code'],
  ],
  // what nobody has heard of may say anything
  [400, 'Teapot', 'SECRET, short and stout', ['STS refused the call (Teapot)', 'try again with the next code']],
];

/** With the words before it, each fits a terminal where the names in it are short. */
function assertShort([what = '', ...hints]: readonly string[]): void {
  const lines = [`refresh-mfa: error: ${what}`, ...hints.map((hint) => `hint: ${hint}`)];
  const names = /STS said|arn:|foobar-long-term|the proxy|certificate of/;
  for (const line of lines) assert.ok(line.length <= 80 || names.test(line), line);
}

describe('an error of STS', () => {
  for (const [status, code, message, words, circumstances] of answers) {
    test(`${status} ${code}: ${message.slice(0, 99)}${circumstances?.region ? `, in ${circumstances.region}` : ''}`, () => {
      const explained = explain(fromSts(status, code, message), circumstances);
      assert.deepEqual(explained, { code: 'aws', lines: words, mayBeRetried: false });
      assert.doesNotMatch(explained.lines.join('\n'), /SECRET|287082|allow sts:/);
      assertShort(explained.lines);
    });
  }

  for (const [repeated, why] of [
    [false, 'each code works once'],
    [true, 'the call was repeated, so this one may be used up'],
  ] as const) {
    test(`a refused code may be followed by another${repeated ? ', and was sent twice' : ''}`, () => {
      const message = 'MultiFactorAuthentication failed with invalid MFA one time pass code. ';
      assert.deepEqual(explain(fromSts(403, 'AccessDenied', message), { repeated }), {
        code: 'aws',
        lines: [`STS did not accept the code for ${serial}`, `wait for the next code: ${why}`],
        mayBeRetried: true,
      });
    });
  }

  test('a message that is no text is none', () => {
    const { lines } = explain(fromSts(403, 'AccessDenied', ['one', 'two']));
    assert.deepEqual(lines, ['AWS denied GetSessionToken to the user of foobar-long-term']);
  });

  for (const name of ['Unknown', 'Error', 'SyntaxError', ['AccessDenied', 'Foo'], 'a b', '', 'x'.repeat(81)]) {
    test(`a document whose code is ${JSON.stringify(name).slice(0, 30)} is none of STS`, () => {
      assert.equal(isFromSts(fromSts(403, name, '')), false);
    });
  }
});

describe('what is not from STS', () => {
  const portal = [
    'what answered for sts.us-east-1.amazonaws.com is not STS',
    'log in to the network in a browser, or check HTTPS_PROXY and the endpoint',
  ];
  const refusing = (status: number): Route => ({ ...behindProxy, proxyStatus: () => status });
  const through: Route = refusing(200);
  const host = 'sts.us-east-1.amazonaws.com';
  const proxy = 'the proxy proxy.example.com:3128';
  const company = 'if a company proxy inspects TLS, set AWS_CA_BUNDLE to its certificate';
  const timeout = (rest: Failure = {}): Failure => ({ name: 'TimeoutError', message: 'it took too long', ...rest });
  const page = (httpStatusCode: number): Failure => ({
    name: 'Unknown',
    $fault: 'client',
    $metadata: { httpStatusCode },
  });

  const rows: readonly (readonly [what: string, failure: Failure, words: readonly string[], route?: Route])[] = [
    ['a page', page(200), portal],
    ['a page that says 503', page(503), portal],
    ['a page behind a proxy', page(403), portal, through],
    [
      'a proxy that wants a password',
      page(407),
      [
        `${proxy} wants another password (407)`,
        'set HTTPS_PROXY=http://<name>:<password>@<host>:<port>, with %40 for @',
      ],
      behindProxy,
    ],
    [
      'a proxy that refuses the host',
      page(403),
      [`${proxy} refuses ${host} (403)`, 'ask its owner to allow that host, or add the host to NO_PROXY'],
      refusing(403),
    ],
    [
      'a proxy that finds nobody',
      page(502),
      [`${proxy} cannot reach ${host} (502)`, 'check that the proxy is up, then use the next code'],
      refusing(502),
    ],
    ['a name that nobody knows', { code: 'ENOTFOUND' }, [`cannot find ${host}: no network or DNS`, again]],
    ['no DNS', { code: 'EAI_AGAIN' }, [`cannot find ${proxy}: no network or DNS`, again], behindProxy],
    ['nobody listens', { code: 'ECONNREFUSED' }, [`${host} refused the connection`, again]],
    ['no proxy', { code: 'ECONNREFUSED' }, [`${proxy} refused the connection`, again], behindProxy],
    ['no way', { code: 'ENETUNREACH', syscall: 'connect' }, [`cannot connect to ${host} (ENETUNREACH)`, again]],
    [
      'several ways, none works',
      { code: 'EHOSTUNREACH', errors: [1, 2] },
      [`cannot connect to ${host} (EHOSTUNREACH)`, again],
    ],
    [
      'no connection in time',
      timeout({ message: 'Socket timed out without establish a connection within 5000 ms' }),
      [`cannot connect to ${host} within 5 s`, again],
    ],
    [
      'a system that gives up first',
      timeout({ code: 'ETIMEDOUT', syscall: 'connect' }),
      [`cannot connect to ${host} through ${proxy} within 5 s`, again],
      behindProxy,
    ],
    [
      'several addresses, all silent',
      timeout({ code: 'ETIMEDOUT', errors: [1, 2] }),
      [`none of the addresses of ${host} answers`, again],
    ],
    ['no answer in time', timeout(), [`${host} did not answer within 15 s`, again]],
    ['an answer without end', { name: 'AbortError' }, [`${host} did not finish within 17 s`, again]],
    ['a reset', { code: 'ECONNRESET', name: 'TimeoutError' }, [`connection to ${host} broke (ECONNRESET)`, again]],
    ['anything else', { name: 'RangeError' }, [`connection to ${host} broke (RangeError)`, again]],
    [
      'a certificate that nobody vouches for',
      { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' },
      [`cannot trust the certificate of ${host} (DEPTH_ZERO_SELF_SIGNED_CERT)`, company],
    ],
    [
      "a proxy's certificate",
      { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' },
      [`cannot trust the certificate of ${proxy} (UNABLE_TO_VERIFY_LEAF_SIGNATURE)`, company],
      behindProxy,
    ],
    [
      'a certificate behind a proxy that let the call through',
      { code: 'SELF_SIGNED_CERT_IN_CHAIN' },
      [`cannot trust the certificate of ${host} (SELF_SIGNED_CERT_IN_CHAIN)`, company],
      through,
    ],
    [
      'an old certificate',
      { code: 'CERT_HAS_EXPIRED' },
      [
        `cannot trust the certificate of ${host} (CERT_HAS_EXPIRED)`,
        "check this computer's date; if it is right, the certificate is too old",
      ],
    ],
    [
      'a certificate of another name',
      { code: 'ERR_TLS_CERT_ALTNAME_INVALID' },
      [
        `cannot trust the certificate of ${host} (ERR_TLS_CERT_ALTNAME_INVALID)`,
        'another host answers there: log in to the network, or check the endpoint',
      ],
    ],
  ];
  for (const [what, failure, words, way] of rows) {
    test(what, () => {
      const { code, lines, mayBeRetried } = explain(failure, way ? { route: way } : {});
      assert.deepEqual({ code, lines, mayBeRetried }, { code: 'network', lines: words, mayBeRetried: false });
      assertShort(lines);
    });
  }
});
