// What is wrong with a layout, and its cure: the patch is applied unread, by patch itself where it is there, and what comes of it
// is judged by our own finder, by botocore and by Terraform.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { findCure, findNotes, findRemedies } from '../lib/advice';
import { Files } from '../lib/files';
import { findDevice, requireIdentity } from '../lib/identity';
import { findSessionNames, requireSession, type SessionProfile } from '../lib/profiles';
import { parse } from '../lib/sections';
import { askBotocore, findPython } from './helpers/botocore';
import { makeHome } from './helpers/home';
import { read as readLayout } from './helpers/layout';
import { makeLayout } from './helpers/layouts';
import { applyDiff } from './helpers/patch';
import { pathWith } from './helpers/programs';
import { Random } from './helpers/random';
import { run } from './helpers/run';
import { makeScene, other, person } from './helpers/scene';
import { totp } from './helpers/sts';
import { askTerraform, noTerraform } from './helpers/terraform';
import { missing } from './helpers/which';

type Text = { readonly config: string; readonly credentials: string };

const printed = { Version: 1, AccessKeyId: person.accessKeyId, SecretAccessKey: person.secretAccessKey };

/** A layout of helpers/layout.ts, in which ROLE dev work is a role with its source, and MFA, LONG and COMMAND are lines. */
function read(layout: string): Files {
  const role = '[profile $1] | role_arn = arn:aws:iam::123456789012:role/$1 | source_profile = $2';
  const filled = layout
    .replace(/ROLE (\w+) (\w+)/g, role)
    .replace(/\bMFA\b/g, 'mfa_serial = SERIAL')
    .replace(/\bLONG\b/g, 'duration_seconds = 43200')
    .replace(/\bCOMMAND\b/g, `credential_process = echo '${JSON.stringify(printed)}'`);
  return readLayout(filled);
}

/** The rows of a table in a text, each as its lines: the first is its title, the others are indented more. */
function rowsOf(text: string): string[][] {
  const rows = text.split(/\n(?= {2}\S)/).filter((row) => row.trim());
  return rows.map((row) =>
    row
      .trim()
      .split('\n')
      .map((line) => line.trim()),
  );
}

function parseText({ config, credentials }: Text): Files {
  const document = (text: string, path: string) => parse(Buffer.from(text), path);
  return new Files(document(config, '~/.aws/config'), document(credentials, '~/.aws/credentials'), '/x');
}

function textOf({ config, credentials }: Files): Text {
  return { config: config.lines.join('').replace(/^\n$/, ''), credentials: credentials.lines.join('') };
}

function patchText({ config, credentials }: Text, diff: string): Text {
  const patched = applyDiff(new Map(Object.entries({ '.aws/config': config, '.aws/credentials': credentials })), diff);
  return { config: patched.get('.aws/config') ?? '', credentials: patched.get('.aws/credentials') ?? '' };
}

/** The layout; a line a note; behind `hint:`, what to do where no patch mends it. */
const notes = rowsOf(`
  all is well
    [profile work] | MFA | ROLE dev work | duration_seconds = 3600 // [work-long-term] | KEYS
  a role with a device
    ROLE dev work | MFA // [work-long-term] | KEYS
    dev asks for a code: delete mfa_serial (~/.aws/config:4)
  a role that lasts too long
    ROLE dev work | duration_seconds = 3601 // [work-long-term] | KEYS
    dev fails: duration_seconds is over 3600 (~/.aws/config:4)
  each role, also behind another
    ROLE dev work | MFA | ROLE ops dev | LONG | MFA // [work-long-term] | KEYS
    dev asks for a code: delete mfa_serial (~/.aws/config:4)
    ops asks for a code: delete mfa_serial (~/.aws/config:9)
    ops fails: duration_seconds is over 3600 (~/.aws/config:8)
  source_profile without role_arn
    [profile work] | source_profile = keys // [keys] | KEYS
    Terraform refuses work's source_profile (~/.aws/config:2)
  a source that others use
    [profile work] | source_profile = keys | [profile more] | source_profile = keys | ROLE raw keys // [keys] | KEYS
    Terraform refuses work's source_profile (~/.aws/config:2)
    hint: [keys] is also used by more, raw: copy it to [work-long-term]
    hint: then delete source_profile from [profile work]
  the source that is used where no profile is named
    [profile work] | source_profile = default // [default] | KEYS
    Terraform refuses work's source_profile (~/.aws/config:2)
    hint: [default] is also used by plain aws commands: copy it to [work-long-term]
    hint: then delete source_profile from [profile work]
  X-long-term, which another session has, too, by the same line
    [profile work] | source_profile = work-long-term | [profile more] | source_profile = work-long-term // [work-long-term] | KEYS
    Terraform refuses work's source_profile (~/.aws/config:2)
  X-long-term is another one
    [profile work] | source_profile = keys // [keys] | KEYS | [work-long-term] | OTHER
    Terraform refuses work's source_profile (~/.aws/config:2)
    hint: rename [work-long-term], which is not the source, and run this again
  aws-mfa's role
    // [work-long-term] | KEYS | assume_role = arn:aws:iam::123456789012:role/dev
    assume_role is ignored (~/.aws/credentials:4)
    hint: instead of assume_role, add a profile with role_arn and source_profile = work
  tools that do not find the session
    // [work-long-term] | KEYS | [__proto__] | KEYS
    JavaScript tools can't read ~/.aws/credentials: rename [__proto__] (line 4)
`);

describe('notes, and what to do where no patch mends them', () => {
  for (const [what = '', layout = '', ...lines] of notes) {
    test(what, () => {
      const files = read(layout);
      const session = requireSession(files, 'work');
      const hints = findRemedies(files, session).map((hint) => `hint: ${hint}`);
      assert.deepEqual([...findNotes(files, session), ...hints], lines);
    });
  }
});

/** What is typed; the files before; and after. */
const cures = rowsOf(`
  AWS's guide: work
    [profile work] | region = x | ROLE dev work | MFA // [work] | KEYS
    [profile work] | MFA | region = x | ROLE dev work // [work-long-term] | KEYS
  in [default]: default
    [default] | region = x | ROLE dev default | MFA // [default] | KEYS
    [default] | MFA | region = x | ROLE dev default // [default-long-term] | KEYS
  no section in the config, and lines beside the keys that the profile keeps: work
    # mine | ROLE dev work | MFA // [work] | region = x | KEYS | output = json
    # mine | [profile work] | region = x | output = json | MFA |  | ROLE dev work // [work-long-term] | region = x | KEYS | output = json
  some of them are in the config already: work
    [profile work] | region = x | MFA | ROLE dev work | MFA // [work] | KEYS | region = x | output = json
    [profile work] | output = json | region = x | MFA | ROLE dev work // [work-long-term] | KEYS | region = x | output = json
  no config: work
    // [work] | KEYS | [dev] | role_arn = arn:aws:iam::123456789012:role/dev | source_profile = work | MFA
    [profile work] | MFA // [work-long-term] | KEYS | [dev] | role_arn = arn:aws:iam::123456789012:role/dev | source_profile = work
  the device is there: work
    [profile work] | MFA | ROLE dev work | MFA // [work] | KEYS
    [profile work] | MFA | ROLE dev work // [work-long-term] | KEYS
  the device of [default]: work
    [default] | MFA | ROLE dev work | MFA // [work] | KEYS
    [default] | MFA | ROLE dev work // [work-long-term] | KEYS
  aws_mfa_device is there: work
    ROLE dev work | MFA // [work] | KEYS | aws_mfa_device = SERIAL
    ROLE dev work // [work-long-term] | KEYS | aws_mfa_device = SERIAL
  [default] is one of the roles: work
    [default] | role_arn = arn:aws:iam::123456789012:role/x | source_profile = work | MFA // [work] | KEYS
    [profile work] | MFA |  | [default] | role_arn = arn:aws:iam::123456789012:role/x | source_profile = work // [work-long-term] | KEYS
  keys in the config: work
    [profile work] # mine | KEYS | region = x | ROLE dev work | MFA
    [profile work] | region = x | MFA |  | [profile work-long-term] # mine | KEYS | region = x | ROLE dev work
  keys and a device in the config's [default]: default
    [default] | KEYS | MFA | ROLE dev default | [profile more] | region = x // [more-long-term] | OTHER
    [default] | MFA |  | [profile default-long-term] | KEYS | MFA | ROLE dev default | [profile more] | region = x // [more-long-term] | OTHER
  keys in a bare section of the config, which only we read: work
    [work] | KEYS | MFA | [profile work] | region = x | ROLE dev work | MFA
    [work-long-term] | KEYS | MFA | [profile work] | MFA | region = x | ROLE dev work
  credential_process: work
    [profile work] | COMMAND | ROLE dev work | MFA
    [profile work] | MFA |  | [profile work-long-term] | COMMAND | ROLE dev work
  credential_process beside the device and its code: work
    [profile work] | COMMAND | MFA | mfa_process = exit 1 | region = x | ROLE dev work | MFA
    [profile work] | region = x |  | [profile work-long-term] | COMMAND | MFA | mfa_process = exit 1 | region = x | ROLE dev work
  a role is named, which is behind another and lasts too long: ops
    ROLE ops dev | duration_seconds=7200 | MFA | ROLE dev work | MFA // [work] | KEYS
    [profile work] | MFA |  | ROLE ops dev | duration_seconds=3600 | ROLE dev work // [work-long-term] | KEYS
  a role in both files: work
    ROLE dev work | MFA // [work] | KEYS | [dev] | MFA | region = x
    [profile work] | MFA |  | ROLE dev work // [work-long-term] | KEYS | [dev] | region = x
  quoted, indented, with comments: work
    [profile "work"] ; mine |     # region |   region = x | ROLE dev work |   # a code | MFA // [work] # old | KEYS
    [profile "work"] ; mine |   MFA |     # region |   region = x | ROLE dev work |   # a code // [work-long-term] # old | KEYS
  its own source: work
    [profile work] | source_profile = work | ROLE dev work | MFA // [work] | KEYS
    [profile work] | MFA | ROLE dev work // [work-long-term] | KEYS
  X-long-term has the keys, and only the roles have the device: work
    ROLE dev work | MFA // [work-long-term] | KEYS
    [profile work] | MFA |  | ROLE dev work // [work-long-term] | KEYS
  two devices, and the right one is typed: -s ${person.serial} work
    [profile home] | region = x | ROLE dev work | MFA | ROLE ops work | mfa_serial = DEVICE-B2 // [work] | KEYS
    [profile home] | region = x | [profile work] | MFA |  | ROLE dev work | ROLE ops work // [work-long-term] | KEYS
  the layout with source_profile: --check work
    [keys] | MFA | [profile work] | source_profile = keys | ROLE dev work | LONG | MFA // [keys] | KEYS
    [work-long-term] | MFA | [profile work] | ROLE dev work | duration_seconds = 3600 // [work-long-term] | KEYS
  its source has a header of another kind: --check work
    [profile keys] | MFA | region = x | [profile work] | source_profile = keys | ROLE dev work // [keys] | KEYS
    [profile work-long-term] | MFA | region = x | [profile work] | ROLE dev work // [work-long-term] | KEYS
  only source_profile is too much: --check work
    [profile work] | source_profile = work-long-term | MFA | ROLE dev work // [work-long-term] | KEYS
    [profile work] | MFA | ROLE dev work // [work-long-term] | KEYS
`);

/** A profile with keys and a role behind it, which no cure may touch, at the end of the credentials file. */
function withBystander(layout: string): Files {
  const bystander = '[far] | role_arn = arn:aws:iam::111122223333:role/far | source_profile = else | [else] | OTHER';
  return read(`${layout} ${layout.includes('// ') ? '|' : '//'} ${bystander}`);
}

const noPatch = missing('patch');
const python = findPython();
const noBotocore = python?.hasBotocore ? false : 'there is no botocore';

describe('a cure', () => {
  const refreshed: { what: string; session: SessionProfile; id: string; before: Text; now: Text }[] = [];

  for (const [title = '', layout = '', wanted = ''] of cures) {
    const [what = '', typed = ''] = title.split(': ');
    test(what, async (t) => {
      const before = textOf(withBystander(layout));
      const expected = textOf(withBystander(wanted));
      const name = typed.replace(/^.* /, '');
      const serial = /-s (\S+)/.exec(typed)?.[1];
      const files = parseText(before);
      const found = findCure(files, requireSession(files, name), {}, serial);
      assert.deepEqual(found && patchText(before, found.diff), expected);
      if (noPatch) return t.skip(noPatch);

      const scene = await makeScene(t, layout.startsWith('//') ? { credentials: before.credentials } : before, [
        person,
        other,
      ]);
      const { PATH } = pathWith(t);
      const sh = { ...scene, program: { file: '/bin/sh', args: [] }, env: { PATH } };
      const patch = process.platform === 'linux' ? 'patch' : 'patch -V none';
      await run(['-c', `refresh-mfa ${typed} 2>&1 | ${patch} -p0 -d ~`], sh);
      const now = { config: readFileSync(scene.home.configPath, 'utf8'), credentials: scene.home.readCredentials() };
      assert.deepEqual(now, expected);
      assert.deepEqual(scene.home.listAws(), ['config', 'credentials']);

      const session = requireSession(parseText(now), name);
      assert.deepEqual(findNotes(parseText(now), session), []);
      const { stderr } = await run([session.name, '--token-code', totp(person.totpSecret)], scene);
      assert.equal(stderr, '');
      const id = scene.sts.sessions[0]?.accessKeyId ?? '';
      refreshed.push({ what, session, id, before, now: { ...now, credentials: scene.home.readCredentials() } });
    });
  }

  test('botocore signs with the session for it and each role, and with the old keys for others', {
    skip: noPatch || noBotocore,
  }, async (t) => {
    assert.equal(refreshed.length, cures.length);
    const lay = layIn(makeHome(t).path);
    const questions = refreshed.flatMap(({ session, before, now }) => {
      const profiles = [session.name, ...session.roles, 'else', 'far'];
      return [before, now].map((text) => ({ ...lay(text), profiles }));
    });
    const answers = await askBotocore(python?.file ?? '', questions);
    for (const [index, { what, session, id }] of refreshed.entries()) {
      const [before, now] = answers.slice(2 * index);
      assert.equal(now?.refused, null, what);
      for (const name of [session.name, ...session.roles])
        assert.equal(now?.asked[name]?.keys?.[0], id, `${what}: ${name}`);
      for (const name of session.roles) assert.equal(now?.asked[name]?.serial, null, `${what}: ${name}`);
      assert.equal(now?.asked[session.name]?.region, before?.asked[session.name]?.region, what);
      assert.equal(now?.asked.far?.keys?.[0], other.accessKeyId, what);
      for (const name of ['else', 'far']) assert.deepEqual(now?.asked[name], before?.asked[name], what);
    }
  });

  test('Terraform uses the role', { skip: noPatch || noTerraform }, async (t) => {
    const lay = layIn(makeHome(t).path);
    const chosen = refreshed.filter(({ what }) => /^AWS's guide|^the layout with source_profile/.test(what));
    const { taken, output } = await askTerraform(chosen.map(({ now }) => ({ ...lay(now), profile: 'dev' })));
    const ids = chosen.map(({ id }) => id);
    assert.deepEqual([taken.map((one) => one?.id), ids.length], [ids, 2], output);
  });
});

/** Writes two files under names of their own. */
function layIn(folder: string): (text: Text) => { config: string; credentials: string } {
  let count = 0;
  return ({ config, credentials }) => {
    const paths = { config: join(folder, `config-${count}`), credentials: join(folder, `credentials-${count++}`) };
    writeFileSync(paths.config, config);
    writeFileSync(paths.credentials, credentials);
    return paths;
  };
}

describe('no cure', () => {
  const rows = rowsOf(`
  nothing is wrong: work
    [profile work] | MFA | ROLE dev work // [work-long-term] | KEYS
  nobody knows the device: work
    // [work] | KEYS
  two devices: work
    ROLE dev work | MFA | ROLE ops work | mfa_serial = DEVICE-B2 // [work] | KEYS
  a line that could be a secret: work
    ROLE dev work | MFA // [work] | KEYS | vault_pin = 4711
  a value of two lines: work
    ROLE dev work | MFA // [work] | KEYS | region = x |  y
  a device of two lines, which could show a secret: work
    ROLE dev work | MFA |  x // [work-long-term] | KEYS
  a comment that could be a key: work
    ROLE dev work | MFA // [work] # ${person.secretAccessKey} | KEYS
  a comment with the id: work
    ROLE dev work | MFA // [work] # ${person.accessKeyId} | KEYS
  the config would count where the credentials file did: work
    [profile work] | region = x | MFA // [work] | KEYS | region = y
  keys in X-long-term, too: work
    ROLE dev work | MFA // [work] | KEYS | [work-long-term] | OTHER
  X-long-term is in the config: work
    [profile work] | source_profile = work | MFA | [profile work-long-term] | region = x // [work] | KEYS
  the name of the new source is taken in the other file: work
    [profile work] | source_profile = keys | MFA | [profile work-long-term] | region = x // [keys] | KEYS
  the source of another session: work
    [profile more] | source_profile = work | ROLE dev work | MFA // [work] | KEYS
  the source of a session that has no section: more-long-term
    [default] | MFA // [more-long-term] | KEYS
  the source of a role that logs in: work
    ROLE dev work | MFA | ROLE job work | credential_source = Environment // [work] | KEYS
  the device of another session goes: default
    [default] | KEYS | MFA | mfa_process = x | [profile more] | region = x // [more-long-term] | OTHER
  [DEFAULT] gives the device to all: work
    [DEFAULT] | MFA | ROLE dev work // [work-long-term] | KEYS
  a section of the config would inherit from [DEFAULT]: work
    [DEFAULT] | region = x | ROLE dev work | MFA // [work] | KEYS
  botocore would not see the indented header: work
    # x |   ROLE dev work | MFA // [work] | KEYS
  a login: work
    [profile work] | sso_session = x | ROLE dev work | MFA // [work] | KEYS
  a session is left over: work
    ROLE dev work | MFA // [work] | KEYS | aws_session_token = x
  a swapped pair of keys: work
    ROLE dev work | MFA // [work] | aws_access_key_id = x | aws_secret_access_key = AKIAIOSFODNN7EXAMPLE
  the region is none: work
    [profile work] | region = no region | ROLE dev work | MFA // [work] | KEYS
  the source is used by a role: work
    [profile work] | source_profile = keys | MFA | ROLE raw keys // [keys] | KEYS
  the source is [default]: work
    [profile work] | source_profile = default | MFA // [default] | KEYS
`);
  for (const [title = '', layout = ''] of rows) {
    const [what = '', name = ''] = title.split(': ');
    test(what, () => {
      const files = read(layout);
      assert.equal(findCure(files, requireSession(files, name), {}), undefined);
    });
  }
});

/** All that our finder finds for a profile, but for some keys. */
function allOf(files: Files, name: string, without: readonly string[] = []): Record<string, string | undefined> {
  const keys = files.findSections(name).flatMap(({ entries }) => [...entries.keys()]);
  const kept = [...new Set(keys)].filter((key) => !without.includes(key)).sort();
  return Object.fromEntries(kept.map((key) => [key, files.find(name, key)?.value]));
}

/** The session profiles of some files. */
function sessionsOf(files: Files): SessionProfile[] {
  return [...new Set([...files.names, ...findSessionNames(files)])].flatMap((name) => {
    try {
      const session = requireSession(files, name);
      return session.name === name ? [session] : [];
    } catch {
      return [];
    }
  });
}

/** The profiles that a cure must leave as they are. */
function bystandersOf(files: Files, { name, source = name, roles }: SessionProfile, cured: SessionProfile): string[] {
  const own = [name, ...roles, ...(cured.source === source ? [] : [source])];
  return [...files.names].filter((other) => !own.includes(other));
}

function checkCure(text: Text, files: Files, session: SessionProfile, diff: string): Text {
  const { name, source = name } = session;
  assert.doesNotMatch(diff, /AKIA|EXAMPLEKEY|secret|credential_process|vault/);
  const now = patchText(text, diff);
  assert.doesNotMatch(now.config, text.config.includes('\r') ? /[^\r]\n/ : /\r/);
  assert.doesNotMatch(now.credentials, text.credentials.includes('\r') ? /[^\r]\n/ : /\r/);

  const after = parseText(now);
  const cured = requireSession(after, name);
  assert.equal(findCure(after, cured, {}), undefined);
  const { serial } = requireIdentity(after, cured, {});
  const device = findDevice(files, [name, source]);
  const spare = [findDevice(files, ['default']), ...session.roles.map((role) => files.find(role, 'mfa_serial'))];
  assert.ok((device ? [device] : spare).some((one) => one?.value === serial));
  for (const key of ['aws_access_key_id', 'aws_secret_access_key', 'credential_process']) {
    assert.equal(after.find(cured.source ?? '', key)?.value, files.find(source, key)?.value);
  }

  assert.deepEqual(cured.roles, session.roles);
  for (const role of session.roles) {
    const { duration_seconds: before, ...others } = allOf(files, role, ['mfa_serial']);
    const { duration_seconds: limited, ...kept } = allOf(after, role);
    assert.deepEqual(kept, others);
    assert.equal(limited, Number(before) > 3600 ? '3600' : before);
  }
  for (const other of bystandersOf(files, session, cured)) assert.deepEqual(allOf(after, other), allOf(files, other));
  const moved =
    'aws_access_key_id aws_secret_access_key credential_process aws_mfa_device mfa_serial source_profile'.split(' ');
  assert.deepEqual(allOf(after, name, moved), allOf(files, name, moved));
  return now;
}

test('a cure below a header that ends the file', () => {
  const before = textOf(read('ROLE dev work | MFA | [profile work] // [work] | KEYS'));
  const text = { ...before, config: before.config.trimEnd() };
  const files = parseText(text);
  const found = findCure(files, requireSession(files, 'work'), {});
  const after = textOf(read('ROLE dev work | [profile work] | MFA // [work-long-term] | KEYS'));
  assert.deepEqual(found && patchText(text, found.diff), after);
});

describe('whatever the layout, a cure cures, shows no key, and leaves all others as they were', () => {
  const samples: { before: Text; now: Text; profiles: string[]; told: string }[] = [];

  test('for our own finder', () => {
    let count = 0;
    for (let seed = 1; seed <= 500; seed++) {
      const text = makeLayout(new Random(seed));
      const files = parseText(text);
      for (const session of sessionsOf(files)) {
        const found = findCure(files, session, {});
        if (!found) continue;
        const told = `seed ${seed}, ${session.name}`;
        count++;
        try {
          const now = checkCure(text, files, session, found.diff);
          const profiles = bystandersOf(files, session, requireSession(parseText(now), session.name));
          if (samples.length < 60) samples.push({ before: text, now, profiles, told });
        } catch (error) {
          throw new Error(`${told}\n${found.diff}`, { cause: error });
        }
      }
    }
    assert.ok(count > 150, `${count} cures`);
  });

  test('for botocore', { skip: noBotocore }, async (t) => {
    const lay = layIn(makeHome(t).path);
    const questions = samples.flatMap(({ before, now, profiles }) =>
      [before, now].map((text) => ({ ...lay(text), profiles })),
    );
    const answers = await askBotocore(python?.file ?? '', questions);
    for (const [index, { told }] of samples.entries()) {
      const [before, now] = answers.slice(2 * index);
      assert.deepEqual(now?.asked, before?.asked, told);
      assert.equal(now?.refused, null, told);
    }
  });
});
