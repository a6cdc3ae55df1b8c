import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';

import { killTree } from '../../../server/agent/hyperv/powershell/kill.ts';

const start = (): ChildProcess => spawn(process.execPath, ['--eval', 'setInterval(() => undefined, 60_000)']);

describe('Ending a PowerShell', () => {
  it('ends on Windows what it has started too, by the full path of taskkill, and the process itself if that fails', async () => {
    const child = start();
    const ended = once(child, 'exit');
    const runs: string[][] = [];
    await killTree(child, 'win32', async (file, args) => {
      runs.push([file, ...args]);
    });
    await ended;
    const [[file = '', ...args] = []] = runs;
    assert.match(file, /^[A-Z]:\\.+\\System32\\taskkill\.exe$/);
    assert.deepEqual(args, ['/PID', String(child.pid), '/T', '/F']);
  });

  it('needs no other program elsewhere, and does nothing to one that has ended: its id may be that of another by now', async () => {
    const child = start();
    const ended = once(child, 'exit');
    const run = async (): Promise<void> => assert.fail('nothing is run');
    await killTree(child, 'linux', run);
    await ended;
    await killTree(child, 'win32', run);
  });
});
