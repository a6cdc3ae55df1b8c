import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { getDaemonStatus } from '../../server/protocol/daemon.ts';
import { activated, eventually, simulator } from './support.ts';

describe('a daemon that is killed', () => {
  it('is started again by the window, which shows what it knew meanwhile', async () => {
    await simulator();
    const { app } = await activated();
    const before = app.daemon.state;
    assert.equal(before.kind, 'connected');
    const states: string[] = [];
    const kept: number[] = [];
    const watch = app.daemon.onDidChangeState((state) => {
      states.push(state.kind);
      kept.push(app.stores.hosts.hosts.value.length);
    });
    const { pid } = await app.daemon.request(getDaemonStatus, {});
    process.kill(pid, 'SIGKILL');
    const after = await eventually('a connection to another daemon', () => {
      const { state } = app.daemon;
      return state.kind === 'connected' && state.instance !== before.instance && state;
    });
    watch.dispose();
    assert.ok(states.includes('reconnecting'), states.join(', '));
    assert.ok(
      kept.every((hosts) => hosts > 0),
      'the hosts stayed in the list',
    );
    assert.equal(after.daemonVersion, before.daemonVersion);
    const status = await app.daemon.request(getDaemonStatus, {});
    assert.notEqual(status.pid, pid);
    await eventually('hosts read again', () => {
      const { state, stale } = app.stores.hosts.hosts;
      return state === 'ready' && !stale;
    });
  });

  it('answers requests made while it is away', async () => {
    const { app } = await activated();
    const { pid } = await app.daemon.request(getDaemonStatus, {});
    process.kill(pid, 'SIGKILL');
    await eventually('the loss to be noticed', () => app.daemon.state.kind !== 'connected');
    const status = await app.daemon.request(getDaemonStatus, {});
    assert.notEqual(status.pid, pid);
  });
});
