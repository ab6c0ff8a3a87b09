// Many processes that write one file, and what may happen to them. Each adds sections one by one and says so after each; whatever
// happens, the file is whole, has every section that somebody said was written, once, and nothing of a person's is gone. The suite
// runs a short form, npm run torture -- --seed 7 --rounds 20 --writers 50 the campaign.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { makeHome } from './helpers/home';
import { Random } from './helpers/random';
import { isPossible, startWriter, type Writer } from './helpers/writer';

const amount = (short: string) => ({ type: 'string', default: short }) as const;
const options = {
  seed: amount('7'),
  rounds: amount('1'),
  writers: amount('4'),
  sections: amount('2'),
  step: amount('13'),
};
const { values } = parseArgs({ options });
const random = new Random(Number(values.seed));

const old = '# mine\n[a]\nx = 1\n';

function makePlace(t: TestContext) {
  const home = makeHome(t, { credentials: old });
  /** @param unsaid how many sections may be there that nobody lived to tell of */
  const check = (said: readonly string[], unsaid: number) => {
    const whole = home.readCredentials();
    const names = [...whole.matchAll(/^\[(.+)\]$/gm)].map(([, name = '']) => name).slice(1);
    assert.equal(whole, old + names.map((name) => `\n[${name}]\nk = ${name}\n`).join(''));
    assert.equal(new Set(names).size, names.length, 'a section is there twice');
    assert.deepEqual([...new Set([...names, ...said])], names, 'a section is lost');
    assert.ok(names.length <= said.length + unsaid, 'there are sections that nobody wrote');
    assert.equal(home.mode(), 0o600);
    for (const name of home.listAws().filter((name) => name !== 'credentials')) {
      const mode = statSync(join(home.path, '.aws', name)).mode & 0o777;
      assert.equal(mode, 0o700, `others can read ${name}`);
    }
  };
  return { target: { path: home.credentialsPath, shown: '~/.aws/credentials', others: ['a'] }, check };
}

/** Stops or kills half of the writers, at some moment after the first word; true where that ends this one. */
async function meddle({ child }: Writer, how: 'stop' | 'kill'): Promise<boolean> {
  // all is drawn before anything is waited for, so that a seed makes the same choices again
  const [isSpared, wait, length] = [random.chance(0.5), random.below(60), 2_500 + random.below(1_500)];
  const isHard = random.chance(0.5);
  if (isSpared) return false;
  await once(child.stdout ?? child, 'data');
  await sleep(wait);
  // no SIGHUP: under nohup it is ignored
  if (how === 'kill') return child.kill(isHard ? 'SIGKILL' : 'SIGTERM');
  child.kill('SIGSTOP');
  // longer than a lock stays its owner's
  await sleep(length);
  child.kill('SIGCONT');
  return false;
}

const noSignals = process.platform === 'win32' && 'Windows has no signals';
const inContainer = ['unshare', '--pid', '--fork'] as const;
const noContainer = !isPossible(...inContainer, 'true') && 'unshare --pid is not permitted here';

for (const [name, skip, how, behind] of [
  ['writers at once lose nothing', false, undefined, []],
  ['writers at once that are stopped for longer than a lock lives lose nothing', noSignals, 'stop', []],
  ['writers at once of which half are killed lose nothing that was written', noSignals, 'kill', []],
  ['writers at once with one process id, as in containers, lose nothing', noContainer, undefined, inContainer],
] as const) {
  test(name, { skip }, async (t) => {
    for (let round = 0; round < Number(values.rounds); round++) {
      const { target, check } = makePlace(t);
      let killed = 0;
      const all = Array.from({ length: Number(values.writers) }, async (_, index) => {
        const names = Array.from({ length: Number(values.sections) }, (_, part) => `p${index}-${part}`);
        const writer = startWriter(target, names, behind, true);
        const isKilled = how !== undefined && (await meddle(writer, how));
        const end = await writer.done;
        if (isKilled) killed++;
        else assert.deepEqual(end, { said: names, errors: '' });
        return end.said;
      });
      const said = (await Promise.all(all)).flat();
      check(said, killed);
      t.diagnostic(`${said.length} sections, ${killed} killed`);
    }
  });
}

test('a disk that is full at any byte of the new file leaves the old one', {
  skip: !isPossible('prlimit', '--fsize=1000', 'true') && 'there is no prlimit',
}, async (t) => {
  const { target, check } = makePlace(t);
  const size = `${old}\n[p]\nk = p\n`.length;
  const step = Number(values.step);
  for (let limit = 1; limit < size + step; limit += step) {
    writeFileSync(target.path, old);
    const behind = ['prlimit', `--fsize=${limit}`];
    const { said, errors } = await startWriter(target, ['p'], behind, false).done;
    assert.deepEqual(said, limit < size ? [] : ['p']);
    assert.match(errors, limit < size ? /no space left/ : /^$/);
    check(said, 0);
  }
});
