// What is wrong with a layout, and its cure: patch itself applies it unread, and what comes of it is judged by a refresh, by our own
// finder, by botocore and by Terraform.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, type TestContext, test } from 'node:test';
import { findCure, findNotes, findRemedies } from '../lib/advice';
import { UserError } from '../lib/errors';
import type { Files } from '../lib/files';
import { findDevice, requireIdentity } from '../lib/identity';
import { requireSession, type SessionProfile } from '../lib/profiles';
import { write as writeSession } from '../lib/session';
import { askBotocore, findPython } from './helpers/botocore';
import { type Home, makeHome } from './helpers/home';
import { parseText, read, type Text, write } from './helpers/layout';
import { makeLayout } from './helpers/layouts';
import { pathWith } from './helpers/programs';
import { Random } from './helpers/random';
import { run } from './helpers/run';
import { makeScene, other, person } from './helpers/scene';
import { totp } from './helpers/sts';
import { askTerraform, noTerraform } from './helpers/terraform';
import { missing } from './helpers/which';

const identify = (files: Files, session: SessionProfile) => requireIdentity(files, session, {});
const cureOf = (files: Files, session: SessionProfile) => findCure(files, session, {})?.diff;
const settingOf = (files: Files, name: string, key: string) => files.find(name, key)?.value;
const deviceOf = (files: Files, ...names: string[]) => findDevice(files, names)?.value;

/** The rows of a table in a text, each as its lines: the first is `title: name`, the others are indented more. */
function rowsOf(text: string): { what: string; name: string; lines: string[] }[] {
  const rows = text.split(/\n(?= {2}\S)/).filter((row) => row.trim());
  return rows.map((row) => {
    const [title = '', ...lines] = row.split('\n').map((line) => line.trim());
    const [what = '', name = 'work'] = title.split(': ');
    return { what, name, lines: lines.filter(Boolean) };
  });
}

/** What is printed for a layout, but for patches. */
function say(files: Files, name: string): string[] {
  try {
    const session = requireSession(files, name);
    identify(files, session);
    const hints = findRemedies(files, session).map((hint) => `hint: ${hint}`);
    return [...findNotes(files, session), ...hints];
  } catch (error) {
    assert.ok(error instanceof UserError);
    return [`error: ${error.message}`, ...error.hints.map((hint) => `hint: ${hint}`)];
  }
}

describe('notes, and words where no patch can mend: carried out to the letter, they are not said again, and all is well', () => {
  const rows = rowsOf(`
  all is well
    [profile work] | MFA | ROLE dev work | duration_seconds = 3600 // [work-long-term] | KEYS
  roles that ask or last too long, also behind others
    [profile work] | MFA | ROLE dev work | MFA | duration_seconds = 3601 | ROLE ops dev | LONG | MFA // [work-long-term] | KEYS
    dev asks for a code: delete mfa_serial (~/.aws/config:6)
    dev fails: duration_seconds is over 3600 (~/.aws/config:7)
    ops asks for a code: delete mfa_serial (~/.aws/config:12)
    ops fails: duration_seconds is over 3600 (~/.aws/config:11)
  source_profile without role_arn
    [profile work] | MFA | source_profile = keys // [keys] | KEYS
    Terraform refuses work's source_profile (~/.aws/config:3)
  X-long-term, which another session has, too, by the same line
    [default] | MFA | [profile work] | source_profile = work-long-term | [profile more] | source_profile = work-long-term // [work-long-term] | KEYS
    Terraform refuses work's source_profile (~/.aws/config:4)
  tools that do not find the session
    [profile work] | MFA // [work-long-term] | KEYS | [__proto__] | KEYS
    JavaScript tools can't read ~/.aws/credentials: rename [__proto__] (line 4)
  a source that others use
    [profile work] | MFA | source_profile = keys | [profile more] | source_profile = keys | ROLE raw keys // [keys] | KEYS
    Terraform refuses work's source_profile (~/.aws/config:3)
    hint: [keys] is also used by more, raw: copy it to [work-long-term]
    hint: then delete source_profile from [profile work]
    then: [profile work] | MFA | [profile more] | source_profile = keys | ROLE raw keys // [keys] | KEYS | [work-long-term] | KEYS
  the source that is used where no profile is named
    [profile work] | MFA | source_profile = default // [default] | KEYS
    Terraform refuses work's source_profile (~/.aws/config:3)
    hint: [default] is also used by plain aws commands: copy it to [work-long-term]
    hint: then delete source_profile from [profile work]
    then: [profile work] | MFA // [default] | KEYS | [work-long-term] | KEYS
  X-long-term is another one
    [profile work] | MFA | source_profile = keys // [keys] | KEYS | [work-long-term] | OTHER
    Terraform refuses work's source_profile (~/.aws/config:3)
    hint: rename [work-long-term], which is not the source, and run this again
    then: [profile work] | MFA | source_profile = keys // [keys] | KEYS | [work-old] | OTHER
  aws-mfa's role
    [profile work] | MFA // [work-long-term] | KEYS | assume_role = arn:aws:iam::123456789012:role/dev
    assume_role is ignored (~/.aws/credentials:4)
    hint: instead of assume_role, add a profile with role_arn and source_profile = work
    then: [profile work] | MFA | ROLE dev work // [work-long-term] | KEYS
  keys that were rotated into the profile, while the old ones are in its source
    [profile work] | MFA // [work-long-term] | OTHER | [work] | KEYS
    error: [work] in ~/.aws/credentials holds long-lived keys
    hint: move them over the old keys in [work-long-term]
    then: [profile work] | MFA // [work-long-term] | KEYS | [work]
  roles with different devices, so that the person has to choose
    ROLE dev work | MFA | ROLE ops work | mfa_serial = DEVICE-B2 // [work] | KEYS
    error: [work] in ~/.aws/credentials holds long-lived keys
    hint: move them to [work-long-term] in ~/.aws/credentials
    hint: set mfa_serial in [profile work] in ~/.aws/config
    then: [profile work] | MFA | ROLE dev work | MFA | ROLE ops work | mfa_serial = DEVICE-B2 // [work-long-term] | KEYS
  a line beside the keys that could be a secret, so that nothing is shown
    [profile work] | MFA | source_profile = work // [work] | KEYS | vault_pin = 4711
    error: [work] in ~/.aws/credentials holds long-lived keys
    hint: move them to [work-long-term] in ~/.aws/credentials
    hint: delete source_profile from [profile work]
    then: [profile work] | MFA // [work-long-term] | KEYS | [work] | vault_pin = 4711
  exactly one other section holds keys
    [profile work] | MFA // [keys] | KEYS
    error: work has no source_profile and no [work-long-term]
    hint: set source_profile = keys in [profile work] in ~/.aws/config
    then: [profile work] | MFA | source_profile = keys // [keys] | KEYS
  a key store has the keys, and the device is there already: dev
    [profile work] | MFA | ROLE dev work | MFA
    error: work has no source_profile and no [work-long-term]
    hint: add [work-long-term] with your long-lived keys to ~/.aws/credentials
    then: [profile work] | MFA | ROLE dev work | MFA // [work-long-term] | KEYS
  a role whose source is misspelt, and most like the role itself: work-dev
    [profile work-dev] | role_arn = x | source_profile = work-de | [profile work] | MFA // [work-long-term] | KEYS
    error: source_profile "work-de" does not exist (~/.aws/config:3)
    hint: set source_profile of work-dev to work
    then: [profile work-dev] | role_arn = x | source_profile = work | [profile work] | MFA // [work-long-term] | KEYS
  a role that is its own source: dev
    ROLE dev dev | [profile work] | MFA // [work-long-term] | KEYS
    error: role dev is its own source (~/.aws/config:3)
    hint: set source_profile of dev to the session profile
    then: ROLE dev work | [profile work] | MFA // [work-long-term] | KEYS
`);
  for (const { what, name, lines } of rows) {
    test(what, () => {
      const [layout = '', ...expected] = lines.filter((line) => !line.startsWith('then: '));
      const files = read(layout);
      const said = say(files, name);
      assert.deepEqual(said, expected);
      const words = said.filter((line) => /^(error|hint): /.test(line));
      if (words.length === 0) return;
      if (words[0]?.startsWith('error: [')) assert.equal(cureOf(files, requireSession(files, name)), undefined);
      const after = read(lines.at(-1)?.replace('then: ', '') ?? '');
      const { keys } = identify(after, requireSession(after, name));
      assert.equal('accessKeyId' in keys && keys.accessKeyId, person.accessKeyId);
      for (const line of say(after, name)) assert.ok(!words.includes(line), line);
    });
  }
});

/** A layout that was cured; `now` holds a session with this id. */
interface Cured {
  readonly what: string;
  readonly session: SessionProfile;
  readonly id: string;
  /** The profiles that the cure must leave as they are. */
  readonly bystanders: readonly string[];
  readonly before: Text;
  readonly now: Text;
}

describe('a cure', { skip: missing('patch') }, () => {
  const python = findPython();
  const cured: Cured[] = [];
  // what is typed; the files before; and after
  const rows = rowsOf(`
  AWS's guide
    [profile work] | region = x | ROLE dev work | MFA // [work] | KEYS
    [profile work] | MFA | region = x | ROLE dev work // [work-long-term] | KEYS
  in [default]: default
    [default] | region = x | ROLE dev default | MFA // [default] | KEYS
    [default] | MFA | region = x | ROLE dev default // [default-long-term] | KEYS
  no section in the config, and lines beside the keys that the profile keeps
    # mine | ROLE dev work | MFA // [work] | region = x | KEYS | output = json
    # mine | [profile work] | region = x | output = json | MFA |  | ROLE dev work // [work-long-term] | region = x | KEYS | output = json
  some of them are in the config already
    [profile work] | region = x | MFA | ROLE dev work | MFA // [work] | KEYS | region = x | output = json
    [profile work] | output = json | region = x | MFA | ROLE dev work // [work-long-term] | KEYS | region = x | output = json
  no config
    // [work] | KEYS | [dev] | role_arn = arn:aws:iam::123456789012:role/dev | source_profile = work | MFA
    [profile work] | MFA // [work-long-term] | KEYS | [dev] | role_arn = arn:aws:iam::123456789012:role/dev | source_profile = work
  the device is there
    [profile work] | MFA | ROLE dev work | MFA // [work] | KEYS
    [profile work] | MFA | ROLE dev work // [work-long-term] | KEYS
  the device of [default]
    [default] | MFA | ROLE dev work | MFA // [work] | KEYS
    [default] | MFA | ROLE dev work // [work-long-term] | KEYS
  aws_mfa_device is there
    ROLE dev work | MFA // [work] | KEYS | aws_mfa_device = SERIAL
    ROLE dev work // [work-long-term] | KEYS | aws_mfa_device = SERIAL
  [default] is one of the roles
    [default] | role_arn = arn:aws:iam::123456789012:role/x | source_profile = work | MFA // [work] | KEYS
    [profile work] | MFA |  | [default] | role_arn = arn:aws:iam::123456789012:role/x | source_profile = work // [work-long-term] | KEYS
  keys in the config
    [profile work] # mine | KEYS | region = x | ROLE dev work | MFA
    [profile work] | region = x | MFA |  | [profile work-long-term] # mine | KEYS | region = x | ROLE dev work
  keys and a device in the config's [default]: default
    [default] | KEYS | MFA | ROLE dev default | [profile more] | region = x // [more-long-term] | OTHER
    [default] | MFA |  | [profile default-long-term] | KEYS | MFA | ROLE dev default | [profile more] | region = x // [more-long-term] | OTHER
  keys in a bare section of the config, which only we read
    [work] | KEYS | MFA | [profile work] | region = x | ROLE dev work | MFA
    [work-long-term] | KEYS | MFA | [profile work] | MFA | region = x | ROLE dev work
  credential_process
    [profile work] | COMMAND | ROLE dev work | MFA
    [profile work] | MFA |  | [profile work-long-term] | COMMAND | ROLE dev work
  credential_process beside the device and its code
    [profile work] | COMMAND | MFA | mfa_process = exit 1 | region = x | ROLE dev work | MFA
    [profile work] | region = x |  | [profile work-long-term] | COMMAND | MFA | mfa_process = exit 1 | region = x | ROLE dev work
  a role is named, which is behind another and lasts too long: ops
    ROLE ops dev | duration_seconds=7200 | MFA | ROLE dev work | MFA // [work] | KEYS
    [profile work] | MFA |  | ROLE ops dev | duration_seconds=3600 | ROLE dev work // [work-long-term] | KEYS
  a role in both files
    ROLE dev work | MFA // [work] | KEYS | [dev] | MFA | region = x
    [profile work] | MFA |  | ROLE dev work // [work-long-term] | KEYS | [dev] | region = x
  quoted, indented, with comments
    [profile "work"] ; mine |     # region |   region = x | ROLE dev work |   # a code | MFA // [work] # old | KEYS
    [profile "work"] ; mine |   MFA |     # region |   region = x | ROLE dev work |   # a code // [work-long-term] # old | KEYS
  its own source
    [profile work] | source_profile = work | ROLE dev work | MFA // [work] | KEYS
    [profile work] | MFA | ROLE dev work // [work-long-term] | KEYS
  X-long-term has the keys, and only the roles have the device
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
  /** With a profile with keys and a role behind it, which no cure may touch. */
  const withBystander = (layout: string) => {
    const bystander = '[far] | role_arn = arn:aws:iam::111122223333:role/far | source_profile = else | [else] | OTHER';
    return write(`${layout} ${layout.includes('// ') ? '|' : '//'} ${bystander}`);
  };
  const readHome = ({ configPath, readCredentials }: Home) => {
    return { config: readFileSync(configPath, 'utf8'), credentials: readCredentials() };
  };

  for (const { what, name: typed, lines } of rows) {
    test(what, async (t) => {
      const [layout = '', wanted = ''] = lines;
      const before = withBystander(layout);
      const { credentials } = before;
      const scene = await makeScene(t, before.config === '' ? { credentials } : before, [person, other]);
      const { PATH } = pathWith(t);
      const patch = process.platform === 'linux' ? 'patch' : 'patch -V none';
      const command = `refresh-mfa ${typed} 2>&1 | ${patch} -p0 -d ~`;
      await run(['-c', command], { ...scene, program: { file: '/bin/sh', args: [] }, env: { PATH } });
      const patched = readHome(scene.home);
      assert.deepEqual(patched, withBystander(wanted));
      assert.deepEqual(scene.home.listAws(), ['config', 'credentials']);

      const files = parseText(patched);
      const session = requireSession(files, typed.replace(/^.* /, ''));
      assert.deepEqual(findNotes(files, session), []);
      const { stderr } = await run([session.name, '--token-code', totp(person.totpSecret)], scene);
      assert.equal(stderr, '');
      const id = scene.sts.sessions[0]?.accessKeyId ?? '';
      cured.push({ what, session, id, bystanders: ['else', 'far'], before, now: readHome(scene.home) });
    });
  }

  /** What patch makes of the files; told to do nothing but what the diff says. */
  function applyPatch(t: TestContext, before: Text, diff: string): Text {
    const home = makeHome(t, before);
    const { status, stdout } = spawnSync('patch', ['-p0', '-d', home.path], { input: diff, encoding: 'utf8' });
    // it says where a hunk fits another place
    assert.match(`${status} ${stdout}`, /^0 (patching file \S+\n)+$/);
    return readHome(home);
  }

  test('of any layout cures, shows no key, and leaves all else as it was', (t) => {
    let count = 0;
    for (let seed = 1; seed <= 500; seed++) {
      const { name, ...before } = makeLayout(new Random(seed));
      const files = parseText(before);
      const session = requireSession(files, name);
      const diff = cureOf(files, session);
      if (!diff) continue;
      count++;
      try {
        assert.doesNotMatch(diff, /AKIA|EXAMPLEKEY|secret|credential_process|vault/);
        const patched = applyPatch(t, before, diff);
        for (const file of ['config', 'credentials'] as const) {
          assert.doesNotMatch(patched[file], before[file].includes('\r') ? /[^\r]\n/ : /\r/);
        }
        const after = parseText(patched);
        const bystanders = checkCured(files, session, after);
        if (cured.length > 80) continue;
        const expires = new Date(Date.now() + 3_600_000);
        const granted = { accessKeyId: 'ASIAIOSFODNN7EXAMPLE', secretAccessKey: 'x', sessionToken: 'x', expires };
        const now = { ...patched, credentials: writeSession(after.credentials, session.name, granted) };
        cured.push({ what: `seed ${seed}`, session, id: granted.accessKeyId, bystanders, before, now });
      } catch (error) {
        throw new Error(`seed ${seed}\n${diff}`, { cause: error });
      }
    }
    assert.ok(count > 200, `${count} cures`);
  });

  test('makes botocore sign with the session for it and each role, and with the old keys for others', {
    skip: python?.hasBotocore ? false : 'there is no botocore',
  }, async (t) => {
    assert.ok(cured.length > rows.length);
    const questions = cured.flatMap(({ session, bystanders, before, now }) => {
      const profiles = [session.name, ...session.roles, ...bystanders];
      return [before, now].map((text) => ({ ...lay(t, text), profiles }));
    });
    const answers = await askBotocore(python?.file ?? '', questions);
    for (const [index, { what, session, id, bystanders }] of cured.entries()) {
      const [before, now] = answers.slice(2 * index);
      assert.equal(now?.refused, null, what);
      const [was, is] = [before, now].map((answer) => answer?.asked[session.name]?.region);
      // one that botocore did not see in a bare section may come to light
      assert.equal(is, was ?? is, what);
      for (const name of [session.name, ...session.roles]) {
        assert.equal(now?.asked[name]?.keys?.[0], id, `${what}: ${name}`);
      }
      for (const name of session.roles) assert.equal(now?.asked[name]?.serial, null, `${what}: ${name}`);
      for (const name of bystanders) assert.deepEqual(now?.asked[name], before?.asked[name], what);
    }
  });

  test('makes Terraform use the role', { skip: noTerraform }, async (t) => {
    const chosen = cured.filter(({ what }) => /^AWS's guide|^the layout with source_profile/.test(what));
    const { taken, output } = await askTerraform(chosen.map(({ now }) => ({ ...lay(t, now), profile: 'dev' })));
    const ids = chosen.map(({ id }) => id);
    assert.deepEqual([taken.map((one) => one?.id), ids.length], [ids, 2], output);
  });
});

/** Writes the two files. */
function lay(t: TestContext, text: Text): { config: string; credentials: string } {
  const { configPath: config, credentialsPath: credentials } = makeHome(t, text);
  return { config, credentials };
}

/** Our own finder finds what it found before, but for what was cured. @returns the profiles that have nothing to do with it */
function checkCured(files: Files, session: SessionProfile, after: Files): string[] {
  const { name, source = name, roles } = session;
  const next = requireSession(after, name);
  assert.equal(cureOf(after, next), undefined);
  assert.deepEqual(next.roles, roles);
  const devices = [deviceOf(files, name, source)];
  if (!devices[0])
    devices.push(deviceOf(files, 'default'), ...roles.map((role) => settingOf(files, role, 'mfa_serial')));
  assert.ok(devices.includes(identify(after, next).serial));
  const keys = ['aws_access_key_id', 'aws_secret_access_key', 'credential_process'];
  for (const key of keys) assert.equal(settingOf(after, next.source ?? '', key), settingOf(files, source, key));

  const moved = [...keys, 'aws_mfa_device', 'mfa_serial', 'source_profile'];
  assert.deepEqual(allOf(after, name, moved), allOf(files, name, moved));
  for (const role of roles) {
    const { duration_seconds: before, ...others } = allOf(files, role, ['mfa_serial']);
    const { duration_seconds: limited, ...kept } = allOf(after, role);
    assert.deepEqual(kept, others);
    assert.equal(limited, Number(before) > 3600 ? '3600' : before);
  }
  const own = [name, ...roles, ...(next.source === source ? [] : [source])];
  const bystanders = [...files.names].filter((other) => !own.includes(other));
  for (const other of bystanders) assert.deepEqual(allOf(after, other), allOf(files, other));
  return bystanders;
}

/** All that our finder finds for a profile, but for some keys. */
function allOf(files: Files, name: string, without: readonly string[] = []): Record<string, string | undefined> {
  const keys = files.findSections(name).flatMap(({ entries }) => [...entries.keys()]);
  const kept = [...new Set(keys)].filter((key) => !without.includes(key)).sort();
  return Object.fromEntries(kept.map((key) => [key, settingOf(files, name, key)]));
}

describe('no cure', () => {
  const rows = rowsOf(`
  nothing is wrong
    [profile work] | MFA | ROLE dev work // [work-long-term] | KEYS
  nobody knows the device
    // [work] | KEYS
  a value of two lines
    ROLE dev work | MFA // [work] | KEYS | region = x |  y
  a device of two lines, which could show a secret
    ROLE dev work | MFA |  x // [work-long-term] | KEYS
  a comment that could be a key
    ROLE dev work | MFA // [work] # ${person.secretAccessKey} | KEYS
  a comment with the id
    ROLE dev work | MFA // [work] # ${person.accessKeyId} | KEYS
  the config would count where the credentials file did
    [profile work] | region = x | MFA // [work] | KEYS | region = y
  X-long-term is in the config
    [profile work] | source_profile = work | MFA | [profile work-long-term] | region = x // [work] | KEYS
  the name of the new source is taken in the other file
    [profile work] | source_profile = keys | MFA | [profile work-long-term] | region = x // [keys] | KEYS
  the source of another session
    [profile more] | source_profile = work | ROLE dev work | MFA // [work] | KEYS
  the source of a session that has no section: more-long-term
    [default] | MFA // [more-long-term] | KEYS
  the source of a role that logs in
    ROLE dev work | MFA | ROLE job work | credential_source = Environment // [work] | KEYS
  the device of another session goes: default
    [default] | KEYS | MFA | mfa_process = x | [profile more] | region = x // [more-long-term] | OTHER
  [DEFAULT] gives the device to all
    [DEFAULT] | MFA | ROLE dev work // [work-long-term] | KEYS
  a section of the config would inherit from [DEFAULT]
    [DEFAULT] | region = x | ROLE dev work | MFA // [work] | KEYS
  botocore would not see the indented header
    # x |   ROLE dev work | MFA // [work] | KEYS
  a login
    [profile work] | sso_session = x | ROLE dev work | MFA // [work] | KEYS
  a session is left over
    ROLE dev work | MFA // [work] | KEYS | aws_session_token = x
  a swapped pair of keys
    ROLE dev work | MFA // [work] | aws_access_key_id = x | aws_secret_access_key = AKIAIOSFODNN7EXAMPLE
  the region is none
    [profile work] | region = no region | ROLE dev work | MFA // [work] | KEYS
  the source is used by a role
    [profile work] | source_profile = keys | MFA | ROLE raw keys // [keys] | KEYS
  the source is [default]
    [profile work] | source_profile = default | MFA // [default] | KEYS
`);
  for (const { what, name, lines } of rows) {
    test(what, () => {
      const files = read(lines[0] ?? '');
      assert.equal(cureOf(files, requireSession(files, name)), undefined);
    });
  }
});
