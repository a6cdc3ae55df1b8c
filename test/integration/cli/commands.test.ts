import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { daemonStatus, runInfo } from '../../../server/protocol/daemon.ts';
import { array, json, object, string } from '../../../server/protocol/parse.ts';
import { ended, startTidemark, tidemark, tidemarkCommand } from '../acceptance/support/command.ts';
import { Site, vmName } from '../acceptance/support/site.ts';

const secret = 'not-the-password-at-all';
// oxlint-disable-next-line no-control-regex -- what a terminal would obey
const controls = /[\u0000-\u0009\u000b-\u001f\u007f]/;

test('The commands of the simulated host do what they say, with and without --json', async (t) => {
  const site = await Site.make(t);
  const root = site.root('hv01');
  const made = await tidemark(['sim', 'init', root, '--name', 'hv01', '--build', '26100']);
  assert.deepEqual([made.code, made.stdout], [0, `Made host directory ${root}.\n`]);
  await site.run(['sim', 'create-vm', root, 'web', '--disk', 'os=4MiB', '--disk', 'data=8MiB']);
  const from = site.file('bytes');
  await writeFile(from, 'the guest was here');
  const written = await tidemark(['sim', 'write', root, 'web', 'os', '--offset', '1MiB', '--from', from]);
  assert.deepEqual([written.code, written.stdout], [0, 'Written at byte 1048576 of os.\n']);
  const raw = site.file('os.raw');
  await site.run(['sim', 'raw', root, 'web', 'os', raw]);
  const bytes = await readFile(raw);
  assert.equal(bytes.length, 4 * 1024 * 1024);
  assert.equal(bytes.subarray(1024 * 1024, 1024 * 1024 + 18).toString(), 'the guest was here');
  await site.run(['sim', 'power', root, 'web', 'off']);
  await site.run(['sim', 'init', site.root('hv02')]);
  await site.run(['sim', 'migrate', root, 'web', site.root('hv02')]);
  await stat(join(site.root('hv02'), 'vms', 'web', 'os.vhdx'));

  await site.fails(['sim', 'raw', root, 'web', 'os', site.file('other.raw')], 'vmNotFound');
  await site.fails(['sim', 'raw', site.root('hv02'), 'web', 'os', raw], 'targetExists');
  await site.fails(['sim', 'write', site.root('hv02'), 'web', 'os', '--offset', '0', '--from', from], 'vmWrongState');
  const wrong = await tidemark(['sim', 'create-vm', root, 'none']);
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /needs at least one disk[^]*--disk NAME=SIZE/);
  const state = await tidemark(['sim', 'power', site.root('hv02'), 'web', 'sideways']);
  assert.equal(state.code, 2);
});

test('A daemon starts once, says where it is, and has gone when stop returns', async (t) => {
  const site = await Site.make(t);
  await site.fails(['daemon', 'status'], 'daemonNotRunning');
  const idle = await tidemark(['daemon', 'stop', '--data', site.data]);
  assert.deepEqual([idle.code, idle.stdout], [0, `No daemon serves ${site.data}.\n`]);

  const [first, second] = await Promise.all([1, 2].map(async () => site.ask(['daemon', 'start'], daemonStatus)));
  assert.equal(first?.pid, second?.pid);
  assert.equal(first?.dataDirectory, site.data);
  const before = await tidemark(['--data', site.data, '--json', 'daemon', 'status']);
  assert.equal(json(before.stdout, daemonStatus, 'status').pid, first?.pid);

  const { stopped } = await site.ask(['daemon', 'stop'], object({ stopped: (value) => value }));
  assert.equal(stopped, first?.pid);
  await site.fails(['daemon', 'status'], 'daemonNotRunning');
  const next = await site.ask(['daemon', 'start'], daemonStatus);
  assert.notEqual(next.pid, first?.pid);
});

test('A wrong password and an unreachable agent are told apart, and no password is left anywhere', async (t) => {
  const site = await Site.make(t);
  await site.run(['sim', 'init', site.root('hv01')]);
  await site.startAgent('hv01');
  const wrong = site.file('wrong');
  await writeFile(wrong, `${secret}\n`, { mode: 0o600 });
  const error = await site.fails(
    ['host', 'add', 'hv01', site.url('hv01'), '--password-file', wrong],
    'agentAuthenticationFailed',
  );
  assert.ok(error.hint);
  await site.fails(
    ['host', 'add', 'hv01', 'http://127.0.0.1:9', '--password-file', site.passwordFile],
    'hostUnreachable',
  );
  const { code, stdout } = await tidemark(['host', 'list', '--data', site.data]);
  assert.deepEqual([code, stdout], [0, 'No hosts yet. Add one: tidemark host add NAME URL --password-file FILE\n']);

  const child = spawn(...argumentsOf(['host', 'add', 'hv01', site.url('hv01'), '--password-file', '-']), {
    env: { ...process.env, TIDEMARK_DATA: site.data },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdin.end('correct horse battery staple\nsecond line\n');
  assert.equal((await ended(child)).code, 0);
  const tested = await tidemark(['host', 'test', 'hv01', '--data', site.data]);
  assert.match(tested.stdout, /^hv01: .*build.*\n$/);
  assert.match(tested.stderr, /^warning: This connection uses plain http/m);

  const { logFile } = await site.ask(['daemon', 'status'], daemonStatus);
  const log = await readFile(logFile, 'utf8');
  assert.ok(!log.includes(secret) && !log.includes('battery staple'));
  await site.run(['host', 'remove', 'hv01']);
  await site.fails(['host', 'test', 'hv01'], 'hostNotFound');
});

test('A backup in a pipe prints one line for each event; as JSON one line for each state; and without --wait only its id', async (t) => {
  const site = await Site.withVm(t);
  const backup = ['backup', 'run', '--vm', `hv01/${vmName}`, '--repo', 'main', '--data', site.data];
  const full = await tidemark([...backup, '--wait']);
  assert.equal(full.code, 0, full.stderr);
  assert.doesNotMatch(full.stdout + full.stderr, controls);
  assert.match(
    full.stdout,
    /^Restore point [0-9A-Z]{26} \(full, application-consistent\) in [\d.]+ s\n {2}os: full \(first\)/,
  );
  const lines = full.stderr.trimEnd().split('\n');
  assert.equal(new Set(lines).size, lines.length, full.stderr);

  const asJson = await tidemark([...backup, '--json']);
  assert.equal(asJson.stderr, '');
  const states = asJson.stdout
    .trimEnd()
    .split('\n')
    .map((line) => json(line, runInfo, 'line'));
  assert.equal(states.at(-1)?.state, 'succeeded');
  assert.ok(states.every((state, index) => index === 0 || state.sequence > (states[index - 1]?.sequence ?? 0)));

  const started = await tidemark(backup);
  const id = /Run ([0-9A-Z]{26}) has begun/.exec(started.stdout)?.[1] ?? '';
  const watched = await tidemark(['run', 'watch', id, '--data', site.data]);
  assert.equal(watched.code, 0, watched.stderr);
  assert.match(watched.stdout, /state +succeeded/);
  const log = await site.ask(['run', 'log', id], array(object({ text: string({ allowEmpty: true }) })));
  assert.ok(log.length > 0);

  for (const args of [
    ['vm', 'list'],
    ['host', 'list'],
    ['repo', 'list'],
    ['repo', 'status'],
    ['repo', 'verify'],
    ['run', 'list'],
    ['restore-point', 'list'],
    ['restore-point', 'list', '--vm', `hv01/${vmName}`, '--repo', 'main'],
  ]) {
    const shown = await tidemark([...args, '--data', site.data]);
    assert.equal(shown.code, 0, `${args.join(' ')}: ${shown.stderr}`);
    assert.doesNotMatch(shown.stdout, controls);
    const titles = shown.stdout.split('\n')[0] ?? '';
    assert.ok(titles.length <= 80, titles);
    await site.run(args);
  }
});

test('Ctrl-C cancels the run that a command started, and only stops watching another one', async (t) => {
  const site = await Site.make(t);
  await site.run(['sim', 'init', site.root('hv01')]);
  await site.run(['sim', 'create-vm', site.root('hv01'), vmName, '--disk', 'os=8MiB']);
  await site.startAgent('hv01', { env: { TIDEMARK_SIM_JOB_MS: '60000' } });
  await site.connectHost('hv01');
  await site.initRepository();
  const backup = ['backup', 'run', '--vm', `hv01/${vmName}`, '--repo', 'main', '--data', site.data];

  const following = startTidemark([...backup, '--wait']);
  const followed = ended(following);
  await printed(following, /recovery checkpoint/);
  const runs = await site.ask(['run', 'list'], array(runInfo));
  const id = runs[0]?.id ?? '';

  const watching = startTidemark(['run', 'watch', id, '--data', site.data]);
  const watched = ended(watching);
  await printed(watching, /recovery checkpoint/);
  watching.kill('SIGINT');
  const left = await watched;
  assert.equal(left.code, 1);
  assert.match(left.stderr, /goes on in the daemon[^]*run watch/);
  const during = await site.ask(['run', 'show', id], runInfo);
  assert.equal(during.state, 'running');

  following.kill('SIGINT');
  const cancelled = await followed;
  assert.equal(cancelled.code, 1);
  assert.match(cancelled.stderr, /Cancelling the run[^]*\(TM1999\)/);
  const after = await site.ask(['run', 'show', id], runInfo);
  assert.equal(after.state, 'cancelled');
});

test('A reader that stops reading is no error', { skip: process.platform === 'win32' }, () => {
  const [command, args] = tidemarkCommand(['--help']);
  const line = `"${command}" ${args.map((argument) => `"${argument}"`).join(' ')}`;
  const piped = spawnSync('sh', ['-c', `{ ${line}; echo "code $?" >&2; } | true`], { encoding: 'utf8' });
  assert.equal(piped.stderr, 'code 0\n');
});

function argumentsOf(args: readonly string[]): [string, string[]] {
  const [command, all] = tidemarkCommand(args);
  return [command, [...all]];
}

/** Waits until a process has printed to stderr what matches. */
async function printed(child: ReturnType<typeof startTidemark>, pattern: RegExp): Promise<void> {
  let text = '';
  await new Promise<void>((resolve, reject) => {
    child.stderr?.on('data', (data: Buffer) => {
      text += data.toString();
      if (pattern.test(text)) resolve();
    });
    child.once('close', () => reject(new Error(`It ended after printing: ${text}`)));
  });
}
