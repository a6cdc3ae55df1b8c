/** The audit log of a real agent: what was done is there, with who did it and to which VM, and nothing secret. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { AuditFile } from '../../../server/agent/audit.ts';
import type { AuditEvent } from '../../../server/agent/audit.ts';
import type { Logger } from '../../../server/base/log.ts';
import { convertCheckpoint, commitRestore, closeExport, removeCheckpoint } from '../../../server/protocol/agent.ts';
import { errorCodes } from '../../../server/protocol/errors.ts';
import { checkpointId } from '../../../server/protocol/ids.ts';
import { fakeDiskId, fakeHost, fakeVmId } from '../../support/fake-provider.ts';
import {
  agentFor,
  connectTo,
  dataFor,
  exportOf,
  never,
  owner,
  password,
  readAll,
  restoreOf,
  until,
} from './support.ts';

const signal = never;

test('logins, checkpoints, exports and restores are noted with address, owner, VM, bytes and result', async (context) => {
  const events: AuditEvent[] = [];
  const host = fakeHost(Buffer.alloc(200_000, 'what a disk holds'));
  const agent = await agentFor(context, host, {
    audit: { note: (event) => events.push(event) },
    timing: { penaltyMs: 5 },
  });
  await assert.rejects(connectTo(context, agent.url, { password: 'a wrong guess' }));
  const connection = await connectTo(context, agent.url);
  const exportId = await exportOf(connection);
  const data = await dataFor(context, connection.data);
  await readAll(data, exportId, [0, 131_072]);
  await connection.request(closeExport, { exportId }, { signal });
  const mine = checkpointId('cp-1', 'id');
  await assert.rejects(connection.request(convertCheckpoint, { checkpointId: mine }, { signal }));
  await connection.request(removeCheckpoint, { checkpointId: mine }, { signal });
  const sessionId = await restoreOf(connection, 65_536);
  const write = data.beginWrite({ sessionId, diskId: fakeDiskId });
  await write.write(0, Buffer.alloc(65_536, 'restored'));
  await write.finish();
  await connection.request(commitRestore, { sessionId }, { signal });
  const second = await restoreOf(connection, 1024);
  await connection.close();
  await until(() => events.some(({ action }) => action === 'session-closed'));
  await agent.close();

  const who = { address: '127.0.0.1', owner };
  const expected = [
    { action: 'agent-started', result: 'ok' },
    { action: 'login', result: 'wrong-password', address: '127.0.0.1', failures: 1 },
    { action: 'login', result: 'ok', address: '127.0.0.1' },
    { action: 'session-opened', result: 'ok', ...who, client: 'test' },
    { action: 'checkpoint-created', result: 'ok', ...who, vm: fakeVmId, checkpoint: 'cp-1', consistency: 'crash' },
    { action: 'export-opened', result: 'ok', ...who, vm: fakeVmId, checkpoint: 'cp-1', export: exportId, disks: 1 },
    { action: 'export-closed', result: 'ok', ...who, vm: fakeVmId, export: exportId, bytesRead: 131_072 },
    { action: 'checkpoint-converted', result: errorCodes.checkpointFailed, ...who, vm: fakeVmId, checkpoint: 'cp-1' },
    { action: 'checkpoint-removed', result: 'ok', ...who, vm: fakeVmId, checkpoint: 'cp-1' },
    { action: 'restore-begun', result: 'ok', ...who, vmName: 'copy', restore: sessionId, disks: 1, sizeBytes: 65_536 },
    { action: 'restore-committed', result: 'ok', ...who, vm: fakeVmId, restore: sessionId, bytesWritten: 65_536 },
    { action: 'restore-begun', result: 'ok', ...who, restore: second },
    { action: 'restore-aborted', result: 'ok', ...who, restore: second, bytesWritten: 0 },
    { action: 'session-closed', result: 'ok', ...who },
    { action: 'agent-stopped', result: 'ok' },
  ];
  assert.deepEqual(
    events.map(({ action, result }) => `${action} ${result}`),
    expected.map(({ action, result }) => `${action} ${result}`),
  );
  for (const [index, event] of expected.entries()) assert.partialDeepStrictEqual(events[index], event);
  const text = JSON.stringify(events);
  for (const secret of [
    password,
    'a wrong guess',
    connection.data.sessionId,
    Buffer.from(connection.data.dataKey).toString('hex'),
  ]) {
    assert.ok(!text.includes(secret));
  }
});

test(
  'an audit log on a full disk stops nothing, and the agent says so once',
  { skip: process.platform === 'linux' ? false : 'there is no /dev/full' },
  async (context) => {
    const told: string[] = [];
    const log: Logger = { log: (level, message) => told.push(`${level} ${message}`) };
    using audit = new AuditFile('/dev/full', log);
    const host = fakeHost(Buffer.alloc(100_000, 'disk'));
    const agent = await agentFor(context, host, { audit });
    const connection = await connectTo(context, agent.url);
    const exportId = await exportOf(connection);
    const data = await dataFor(context, connection.data);
    assert.ok((await readAll(data, exportId, [0, 100_000])).equals(host.content));
    await connection.request(closeExport, { exportId }, { signal });
    assert.deepEqual(told, ['error the audit log /dev/full cannot be written; backups go on without it']);
  },
);
