import assert from 'node:assert/strict';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';

import { backoffMs } from '../../../client/daemon/backoff.ts';
import { findRuntime, isNewEnough } from '../../../client/daemon/runtime.ts';
import type { RuntimeOptions } from '../../../client/daemon/runtime.ts';
import { compareVersions } from '../../../client/daemon/versions.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';

let folders = 0;
/** A PATH of folders with these Nodes; new names, because answers are remembered. */
function surroundings(versions: readonly string[], more: Partial<RuntimeOptions> = {}): RuntimeOptions {
  const found = new Map(versions.map((version) => [join('/', `bin${(folders += 1)}`), version]));
  return {
    nodePath: '',
    path: [...found.keys()].join(delimiter),
    platform: 'linux',
    execPath: '/opt/code/code',
    ownVersion: '22.15.0',
    askVersion: async (command) => {
      await Promise.resolve();
      const version = found.get(join(command, '..'));
      if (version === undefined || version === '') throw new Error('ENOENT');
      return version;
    },
    ...more,
  };
}

const startFailed = (error: unknown): boolean => TidemarkError.is(error, errorCodes.daemonStartFailed);

test('Node 22.15 is the oldest that will do, and what is no version will not', () => {
  for (const good of ['v22.15.0\n', 'v22.22.1', 'v24.0.0', '100.0.0']) assert.ok(isNewEnough(good), good);
  for (const bad of ['v22.14.9', 'v20.20.0', 'v8.22.15', '', 'node', 'Python 3.12.1'])
    assert.ok(!isNewEnough(bad), bad);
});

test('the first Node on the PATH that is new enough is taken; old ones and other programs are passed over', async () => {
  const options = surroundings(['v20.1.0', '', 'hello', 'v24.1.0', 'v25.0.0']);
  const runtime = await findRuntime(options);
  assert.equal(runtime.command, join(options.path.split(delimiter)[3] ?? '', 'node'));
  assert.deepEqual([runtime.version, runtime.source, runtime.env], ['24.1.0', 'path', {}]);
});

test('relative folders of the PATH are not looked into: a workspace must not choose the program', async () => {
  const asked: string[] = [];
  const askVersion = async (command: string): Promise<string> => {
    asked.push(command);
    return Promise.resolve('v24.0.0');
  };
  const { source } = await findRuntime(surroundings([], { path: ['', '.', 'bin'].join(delimiter), askVersion }));
  assert.equal(source, 'editor');
  assert.deepEqual(asked, []);
});

test('without a Node on the PATH the program of the extension is taken, told to act as Node where it is not one', async () => {
  const desktop = await findRuntime(surroundings(['v18.0.0']));
  assert.deepEqual(desktop, {
    command: '/opt/code/code',
    env: { ELECTRON_RUN_AS_NODE: '1' },
    version: '22.15.0',
    source: 'editor',
  });
  const remote = await findRuntime(surroundings([], { execPath: '/srv/vscode-server/node', ownVersion: '24.1.0' }));
  assert.deepEqual(remote.env, {});
});

test('a Node that the user chose is the only one tried, and an unfit one is named', async () => {
  const fit = surroundings(['v24.1.0', 'v22.15.1']);
  const chosen = join(fit.path.split(delimiter)[1] ?? '', 'node');
  assert.equal((await findRuntime({ ...fit, nodePath: chosen })).version, '22.15.1');
  const old = surroundings(['v24.1.0', 'v18.0.0']);
  const path = join(old.path.split(delimiter)[1] ?? '', 'node');
  await assert.rejects(findRuntime({ ...old, nodePath: path }), (error) => {
    assert.ok(startFailed(error) && error instanceof Error);
    assert.ok(error.message.includes(path) && error.message.includes('v18.0.0'));
    return true;
  });
  await assert.rejects(findRuntime({ ...old, nodePath: '/nowhere/node' }), startFailed);
});

test('when nothing can run the daemon, the error says what to install', async () => {
  await assert.rejects(findRuntime(surroundings(['v20.0.0'], { ownVersion: '20.1.0' })), (error) => {
    assert.ok(startFailed(error) && TidemarkError.is(error));
    assert.match(error.hint ?? '', /nodePath/);
    return true;
  });
});

test('versions are compared by their numbers, and a build from sources is never older or newer', () => {
  assert.ok(compareVersions('0.9.0', '0.10.0') < 0);
  assert.ok(compareVersions('1.0.0', '0.10.9') > 0);
  assert.equal(compareVersions('0.1.0', '0.1.0'), 0);
  assert.equal(compareVersions('0.0.0-dev', '9.0.0'), 0);
});

test('waits grow to half a minute and never reach nothing', () => {
  const waits = Array.from({ length: 12 }, (_, index) => backoffMs(index + 1, () => 1));
  assert.deepEqual(
    waits,
    [...waits].sort((a, b) => a - b),
  );
  assert.ok(waits.every((wait) => wait >= 200 && wait <= 30_000));
  assert.equal(
    backoffMs(100, () => 0),
    30_000,
  );
});
