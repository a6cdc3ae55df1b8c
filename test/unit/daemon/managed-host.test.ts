import assert from 'node:assert/strict';
import { test } from 'node:test';

import { silentLogger } from '../../../server/base/log.ts';
import type { AgentConnection } from '../../../server/daemon/agent-client/connection.ts';
import { ManagedHost } from '../../../server/daemon/managed-host.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import { ownerId } from '../../../server/protocol/ids.ts';

const never = new AbortController().signal;

/** A host whose agent takes one password; says which ones it was asked with. */
function site(): {
  readonly host: ManagedHost;
  readonly tried: string[];
  now: number;
  password: string;
  right: string;
  failure: TidemarkError | undefined;
} {
  const tried: string[] = [];
  const connect = async (target: { readonly password: string }): Promise<AgentConnection> => {
    tried.push(target.password);
    if (at.failure !== undefined) throw at.failure;
    if (target.password !== at.right) {
      throw new TidemarkError(errorCodes.agentAuthenticationFailed, 'The agent refused the password.');
    }
    return {
      host: { name: 'hv01', provider: 'simulated', build: 20348, osName: 'Fake' },
      agentVersion: '0.1.0',
      warnings: [],
      closed: new AbortController().signal,
      request: async () => assert.fail('nothing is asked'),
      data: { tls: false, host: 'hv01', port: 1, url: 'http://hv01', sessionId: '', dataKey: Buffer.alloc(0) },
      close: async () => undefined,
    };
  };
  const identity = { owner: ownerId('ab'.repeat(16), 'owner'), client: 'test', connect, log: silentLogger };
  const host = new ManagedHost(
    { name: 'hv01', url: 'http://hv01:8440', threads: 2, certificateSha256: undefined },
    { read: async () => at.password, source: () => undefined },
    identity,
    () => undefined,
    () => at.now,
  );
  const at: ReturnType<typeof site> = { host, tried, now: 0, password: 'wrong', right: 'right', failure: undefined };
  return at;
}

const refused = (error: unknown): boolean => TidemarkError.is(error, errorCodes.agentAuthenticationFailed);

test('a password that the agent refused is not tried again and again, so that the agent does not lock this daemon out', async () => {
  const { host, tried } = site();
  for (let poll = 0; poll < 20; poll++) {
    await assert.rejects(host.glance(never), refused);
    await assert.rejects(host.connect(never), refused);
  }
  assert.deepEqual(tried, ['wrong']);
  const { status } = host.entry();
  assert.equal(status.state === 'unreachable' && status.error.code, errorCodes.agentAuthenticationFailed);
});

test('a run tries it again after five minutes, who only looks after hours', async () => {
  const at = site();
  await assert.rejects(at.host.glance(never), refused);
  at.now = 5 * 60_000;
  await assert.rejects(at.host.glance(never), refused);
  assert.equal(at.tried.length, 1);
  at.right = 'wrong';
  await at.host.connect(never);
  assert.equal(at.tried.length, 2);
  await at.host.glance(never);
});

test('another password is tried at once', async () => {
  const at = site();
  await assert.rejects(at.host.connect(never), refused);
  at.password = 'right';
  await at.host.connect(never);
  assert.deepEqual(at.tried, ['wrong', 'right']);
});

test('testing a host tries what is stored, and when that works now it is used again', async () => {
  const at = site();
  await assert.rejects(at.host.connect(never), refused);
  await at.host.test(never);
  await assert.rejects(at.host.connect(never), refused);
  assert.equal(at.tried.length, 2);
  at.right = 'wrong';
  await at.host.test(never);
  await at.host.connect(never);
  assert.equal(at.tried.length, 4);
});

test('a host that is away, or refuses this computer for a while, is asked again each time', async () => {
  for (const code of [errorCodes.hostUnreachable, errorCodes.agentLockedOut]) {
    const at = site();
    at.failure = new TidemarkError(code, 'Not now.');
    for (let poll = 0; poll < 3; poll++) {
      await assert.rejects(at.host.connect(never), (error) => TidemarkError.is(error, code));
    }
    assert.equal(at.tried.length, 3);
    const { status } = at.host.entry();
    assert.equal(status.state === 'unreachable' && status.error.code, code);
  }
});
