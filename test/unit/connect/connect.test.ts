import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';

import { rendezvousPaths, writeRendezvous } from '../../../server/base/rendezvous.ts';
import { connectDaemon, resolveDataDirectory } from '../../../server/connect/index.ts';
import { daemonEnvironment } from '../../../server/connect/start.ts';
import type { Rendezvous } from '../../../server/protocol/daemon-handshake.ts';
import { cancelledError, errorCodes } from '../../../server/protocol/errors.ts';

/** What a daemon that was killed may leave. */
const left: Rendezvous = {
  format: 1,
  instance: 'gone',
  pid: 1,
  startedAt: '2026-01-01T00:00:00Z',
  address: 'nowhere',
  protocol: { min: 1, max: 1 },
  version: '0',
  logFile: 'daemon.log',
};

describe('connecting to a daemon', () => {
  let data: string;
  beforeEach(() => {
    data = mkdtempSync(join(tmpdir(), 'tidemark-connect-'));
  });
  afterEach(() => rmSync(data, { recursive: true }));

  const connect = async (...args: string[]): Promise<unknown> => {
    const start = args.length === 0 ? {} : { start: { command: process.execPath, args } };
    return connectDaemon({ dataDirectory: data, client: 'test', ...start });
  };

  it('says that none runs when there is none and none may be started', async () => {
    await assert.rejects(connect(), { code: errorCodes.daemonNotRunning, hint: /tidemark daemon start/ });
  });

  it('says so too when what a killed daemon left names a socket that is gone', async () => {
    await writeRendezvous(data, { ...left, address: join(data, 'gone.sock') }, Buffer.alloc(32));
    await assert.rejects(connect(), { code: errorCodes.daemonNotRunning });
  });

  it('tells what a daemon said that could not start', async () => {
    const failing = connect('-e', 'console.error("no room on the disk"); process.exit(3)');
    await assert.rejects(failing, {
      code: errorCodes.daemonStartFailed,
      message: /exit code 3.*\nno room on the disk/,
    });
  });

  it('tells why a daemon could not start whose program is not there', async () => {
    const start = { command: join(data, 'no-such-node'), args: [] };
    const failing = connectDaemon({ dataDirectory: data, client: 'test', start });
    await assert.rejects(failing, { code: errorCodes.daemonStartFailed, message: /ENOENT/ });
  });

  it('stops waiting for a daemon that does not come up when it is cancelled', async () => {
    const controller = new AbortController();
    const start = { command: process.execPath, args: ['-e', 'setTimeout(() => process.exit(), 3000)'] };
    const connecting = connectDaemon({ dataDirectory: data, client: 'test', start, signal: controller.signal });
    setTimeout(() => controller.abort(cancelledError()), 100);
    await assert.rejects(connecting, { code: errorCodes.cancelled });
  });

  it('does not trust rendezvous files that are damaged', async () => {
    await writeRendezvous(data, left, Buffer.alloc(32));
    writeFileSync(rendezvousPaths(data).token, 'short');
    await assert.rejects(connect(), { code: errorCodes.daemonAuthenticationFailed });
  });
});

describe('the data directory', () => {
  it('is the given one, else that of the environment, else the platform has a place for it', () => {
    assert.equal(resolveDataDirectory('/given', { TIDEMARK_DATA: '/other' }), resolve('/given'));
    assert.equal(resolveDataDirectory(undefined, { TIDEMARK_DATA: '/other' }), resolve('/other'));
    assert.equal(resolveDataDirectory(undefined, { XDG_DATA_HOME: '/xdg' }, 'linux'), resolve('/xdg/tidemark'));
    assert.equal(resolveDataDirectory(undefined, {}, 'linux'), join(homedir(), '.local/share/tidemark'));
    assert.equal(
      resolveDataDirectory(undefined, { TIDEMARK_DATA: '' }, 'darwin'),
      join(homedir(), 'Library/Application Support/Tidemark'),
    );
    assert.equal(resolveDataDirectory(undefined, { LOCALAPPDATA: '/local' }, 'win32'), resolve('/local/Tidemark'));
  });
});

it('a daemon does not inherit what belongs to the process of its starter', () => {
  const given = {
    PATH: '/bin',
    NODE_OPTIONS: '--inspect',
    ELECTRON_RUN_AS_NODE: '1',
    VSCODE_PID: '1',
    vscode_ipc: 'x',
  };
  assert.deepEqual(daemonEnvironment(given), { PATH: '/bin' });
});
