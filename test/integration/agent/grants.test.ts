/** What an authenticated daemon may do, and what it may not: hostile sessions beside each other on one agent. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import type { AgentConnection } from '../../../server/daemon/agent-client/connection.ts';
import * as agentProtocol from '../../../server/protocol/agent.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import * as id from '../../../server/protocol/ids.ts';
import type { ReferencePoint } from '../../../server/protocol/model.ts';
import { fakeConfiguration, fakeDiskId, fakeHost, fakeProvider, fakeVmId } from '../../support/fake-provider.ts';
import type { FakeHost } from '../../support/fake-provider.ts';
import { agentFor, code, connectTo, dataFor, exportOf, never, owner, readAll, restoreOf, until } from './support.ts';

const other = id.ownerId('f'.repeat(32), 'owner');
const signal = never;

async function checkpointOf(connection: AgentConnection): Promise<id.CheckpointId> {
  const runId = id.runId('01ARZ3NDEKTSV4RRFFQ69G5FAV', 'run');
  const params = { vmId: fakeVmId, runId, consistency: 'crash' } as const;
  return (await connection.request(agentProtocol.createCheckpoint, params, { signal })).checkpoint.id;
}

/** Two daemons on one agent. */
async function twoDaemons(
  context: TestContext,
  host: FakeHost = fakeHost(Buffer.alloc(200_000, 'disk')),
): Promise<{
  readonly ours: AgentConnection;
  readonly theirs: AgentConnection;
  readonly host: FakeHost;
  readonly url: string;
}> {
  const { url } = await agentFor(context, host);
  return { ours: await connectTo(context, url), theirs: await connectTo(context, url, { owner: other }), host, url };
}

const foreign = code(errorCodes.notOwnObject);

test('a checkpoint of another daemon is not removed, converted or exported, not even in a new session', async (context) => {
  const { ours, theirs, url } = await twoDaemons(context);
  const checkpointId = await checkpointOf(ours);
  for (const intruder of [theirs, await connectTo(context, url, { owner: other })]) {
    await assert.rejects(intruder.request(agentProtocol.removeCheckpoint, { checkpointId }, { signal }), foreign);
    await assert.rejects(intruder.request(agentProtocol.convertCheckpoint, { checkpointId }, { signal }), foreign);
    const open = { checkpointId, excludeDisks: [] };
    await assert.rejects(intruder.request(agentProtocol.openExport, open, { signal }), foreign);
    const { checkpoints } = await intruder.request(agentProtocol.listCheckpoints, {}, { signal });
    assert.deepEqual(
      checkpoints.map((checkpoint) => checkpoint.id),
      [checkpointId],
    );
    await assert.rejects(intruder.request(agentProtocol.removeCheckpoint, { checkpointId }, { signal }), foreign);
  }
  // The daemon itself comes back with another session.
  const again = await connectTo(context, url);
  await again.request(agentProtocol.removeCheckpoint, { checkpointId }, { signal });
  await assert.rejects(
    again.request(agentProtocol.removeCheckpoint, { checkpointId }, { signal }),
    code(errorCodes.checkpointNotFound),
  );
});

test('a checkpoint that Tidemark did not make is left alone', async (context) => {
  const host = fakeHost();
  const provider = fakeProvider(host);
  const checkpointId = id.checkpointId('Microsoft:SOMEBODY-ELSES', 'id');
  const agent = await agentFor(context, host, {
    provider: {
      ...provider,
      listCheckpoints: async () => [
        { id: checkpointId, vmId: fakeVmId, createdAt: new Date().toISOString(), consistency: 'crash', disks: [] },
      ],
      removeCheckpoint: async () => assert.fail('the provider is not even asked'),
    },
  });
  const connection = await connectTo(context, agent.url);
  await assert.rejects(connection.request(agentProtocol.removeCheckpoint, { checkpointId }, { signal }), foreign);
});

test('a reference point of another daemon is not removed; one without a mark is the provider’s to judge', async (context) => {
  const host = fakeHost();
  const point = (name: string, whose: id.OwnerId | undefined): ReferencePoint => ({
    id: id.referencePointId(name, 'id'),
    vmId: fakeVmId,
    ...(whose === undefined ? {} : { owner: whose }),
    createdAt: new Date().toISOString(),
    disks: [],
  });
  const points = [point('ours', owner), point('theirs', other), point('unmarked', undefined)];
  const removed: string[] = [];
  const agent = await agentFor(context, host, {
    provider: {
      ...fakeProvider(host),
      listReferencePoints: async () => points,
      removeReferencePoint: async (referencePoint, trackingIds) => {
        removed.push(`${referencePoint} ${trackingIds?.join() ?? '-'}`);
      },
    },
  });
  const connection = await connectTo(context, agent.url);
  const remove = async (name: string, trackingIds?: id.TrackingId[]): Promise<unknown> => {
    const referencePointId = id.referencePointId(name, 'id');
    return connection.request(
      agentProtocol.removeReferencePoint,
      { referencePointId, ...(trackingIds === undefined ? {} : { trackingIds }) },
      { signal },
    );
  };
  await remove('ours');
  await assert.rejects(remove('theirs'), foreign);
  await assert.rejects(remove('theirs', [id.trackingId('guessed', 'id')]), foreign);
  await remove('unmarked', [id.trackingId('known', 'id')]);
  await remove('gone');
  assert.deepEqual(removed, ['ours -', 'unmarked known', 'gone -']);
});

test('exports and restores of another session are not there, for every request and over data connections', async (context) => {
  const { ours, theirs, host } = await twoDaemons(context);
  const exportId = await exportOf(ours);
  const sessionId = await restoreOf(ours, 65_536);
  const gone = code(errorCodes.exportNotFound);
  const asks = [
    theirs.request(agentProtocol.listExtents, { exportId, diskId: fakeDiskId, offset: 0 }, { signal }),
    theirs.request(agentProtocol.closeExport, { exportId }, { signal }),
    theirs.request(agentProtocol.commitRestore, { sessionId }, { signal }),
    theirs.request(agentProtocol.abortRestore, { sessionId }, { signal }),
  ];
  for (const asked of asks) await assert.rejects(asked, gone);
  const data = await dataFor(context, theirs.data);
  await assert.rejects(readAll(data, exportId, [0, 65_536]), gone);
  const own = await dataFor(context, ours.data);
  assert.ok((await readAll(own, exportId, [0, 65_536])).equals(host.content.subarray(0, 65_536)));
  assert.deepEqual(host.events, []);
});

test('the data of an export that was closed is not served any more', async (context) => {
  const { ours } = await twoDaemons(context);
  const exportId = await exportOf(ours);
  const data = await dataFor(context, ours.data);
  await readAll(data, exportId, [0, 65_536]);
  await ours.request(agentProtocol.closeExport, { exportId }, { signal });
  await assert.rejects(readAll(data, exportId, [0, 65_536]), code(errorCodes.exportNotFound));
});

test('one session has at most 64 exports and 16 restores, and gets further ones when some ended', async (context) => {
  const { ours, theirs } = await twoDaemons(context);
  const checkpointId = await checkpointOf(ours);
  const open = async (): Promise<id.ExportId> =>
    (await ours.request(agentProtocol.openExport, { checkpointId, excludeDisks: [] }, { signal })).exportId;
  const exports = await Promise.all(Array.from({ length: 60 }, open));
  const more = await Promise.allSettled(Array.from({ length: 40 }, open));
  assert.equal(more.filter(({ status }) => status === 'fulfilled').length, 4);
  await assert.rejects(open(), code(errorCodes.agentBusy));
  await exportOf(theirs);
  const [exportId] = exports;
  assert.ok(exportId !== undefined);
  await ours.request(agentProtocol.closeExport, { exportId }, { signal });
  await open();
  const restores = await Promise.all(Array.from({ length: 16 }, async () => restoreOf(ours, 1024)));
  await assert.rejects(restoreOf(ours, 1024), code(errorCodes.agentBusy));
  await restoreOf(theirs, 1024);
  const [sessionId] = restores;
  assert.ok(sessionId !== undefined);
  await ours.request(agentProtocol.abortRestore, { sessionId }, { signal });
  await restoreOf(ours, 1024);
});

test('requests of one connection that run at a time are limited; other daemons are served', async (context) => {
  const host = fakeHost();
  host.checkpointMs = 2000;
  const { ours, theirs } = await twoDaemons(context, host);
  const stop = new AbortController();
  const asked = Array.from({ length: 80 }, async () => {
    const runId = id.runId('01ARZ3NDEKTSV4RRFFQ69G5FAV', 'run');
    const params = { vmId: fakeVmId, runId, consistency: 'crash' } as const;
    return ours.request(agentProtocol.createCheckpoint, params, { signal: stop.signal });
  });
  const settled = Promise.allSettled(asked);
  await assert.rejects(ours.request(agentProtocol.listVms, {}, { signal }), code(errorCodes.agentBusy));
  await theirs.request(agentProtocol.listVms, {}, { signal });
  stop.abort();
  const codes = (await settled).map((outcome) =>
    outcome.status === 'rejected' ? TidemarkError.from(outcome.reason).code : 'ok',
  );
  assert.equal(codes.filter((one) => one === errorCodes.agentBusy).length, 16);
});

test('an agent serves 64 daemons at a time, and the next one is told so', async (context) => {
  const agent = await agentFor(context, fakeHost());
  const connections: AgentConnection[] = [];
  for (let count = 0; count < 64; count++) connections.push(await connectTo(context, agent.url));
  await assert.rejects(connectTo(context, agent.url), code(errorCodes.agentBusy));
  await connections[0]?.close();
  await until(() => agent.log.some((line) => line.includes('is gone')));
  await connectTo(context, agent.url);
});

test('names of a restore that lead out of its folder are refused before the provider sees them', async (context) => {
  const host = fakeHost();
  const agent = await agentFor(context, host, {
    provider: { ...fakeProvider(host), beginRestore: async () => assert.fail('the provider is not even asked') },
  });
  const connection = await connectTo(context, agent.url);
  const disk = { id: fakeDiskId, name: 'os', sizeBytes: 0, logicalSectorBytes: 512, physicalSectorBytes: 4096 };
  const begin = async (diskName: string, fileName: string): Promise<unknown> => {
    const configuration = { ...fakeConfiguration, files: [{ name: fileName, base64: '' }] };
    const disks = [{ ...disk, name: diskName }];
    const params = { name: 'copy', configuration, connectNetwork: false, disks };
    return connection.request(agentProtocol.beginRestore, params, { signal });
  };
  const hostile = ['../os', String.raw`..\os`, 'C:os', 'os:stream', 'NUL', 'a\0b', '/etc/passwd'];
  for (const name of hostile) {
    await assert.rejects(begin(name, 'a.vmcx'), code(errorCodes.invalidInput));
    await assert.rejects(begin('os', name), code(errorCodes.invalidInput));
  }
});

test('reads of disks at a time are limited over all daemons, and a modest one is not behind a greedy one', async (context) => {
  const host = fakeHost(Buffer.alloc(8 * 1024 * 1024, 'disk'));
  let running = 0;
  let most = 0;
  const reads: number[] = [];
  host.onRead = async (offset) => {
    running += 1;
    most = Math.max(most, running);
    reads.push(offset);
    await sleep(4);
    running -= 1;
  };
  const agent = await agentFor(context, host, { threads: 2 });
  const greedy = await connectTo(context, agent.url);
  const modest = await connectTo(context, agent.url, { owner: other });
  const [greedyExport, modestExport] = [await exportOf(greedy), await exportOf(modest)];
  const all = Array.from({ length: 8 }, async () =>
    readAll(await dataFor(context, greedy.data), greedyExport, [0, 8 * 1024 * 1024]),
  );
  await until(() => reads.length > 4);
  const before = reads.length;
  await readAll(await dataFor(context, modest.data), modestExport, [0, 1024 * 1024]);
  // Its one read came after few others, though many of the greedy one's wait.
  assert.ok(reads.length - before < 30, `${reads.length - before} reads came first`);
  for (const one of all) assert.equal((await one).length, 8 * 1024 * 1024);
  assert.equal(most, 2);
});

test('restores hold so much memory together, and give it back when they end, whichever way', async (context) => {
  const host = fakeHost();
  const agent = await agentFor(context, host, { configurationBytes: 256 * 1024 });
  const greedy = await connectTo(context, agent.url);
  const modest = await connectTo(context, agent.url, { owner: other });
  const disk = { id: fakeDiskId, name: 'os', sizeBytes: 0, logicalSectorBytes: 512, physicalSectorBytes: 4096 };
  const kib = 1024;
  const begin = async (connection: typeof greedy, bytes: number): Promise<id.RestoreSessionId> => {
    // Two files, as one may not be so large.
    const files = ['a.vmcx', 'a.vmrs'].map((name) => ({ name, base64: 'A'.repeat(bytes / 2) }));
    const configuration = { ...fakeConfiguration, files };
    const params = { name: 'copy', configuration, connectNetwork: false, disks: [disk] };
    const { sessionId } = await connection.request(agentProtocol.beginRestore, params, { signal });
    return sessionId;
  };
  const sessions: id.RestoreSessionId[] = [];
  for (let count = 0; count < 6; count++) sessions.push(await begin(greedy, 40 * kib));
  await assert.rejects(begin(greedy, 40 * kib), code(errorCodes.agentBusy));
  await assert.rejects(begin(modest, 40 * kib), code(errorCodes.agentBusy));
  // An ordinary one has room all the same.
  await begin(modest, kib);
  const [first, second] = sessions;
  assert.ok(first !== undefined && second !== undefined);
  await greedy.request(agentProtocol.abortRestore, { sessionId: first }, { signal });
  await begin(modest, 40 * kib);
  await greedy.request(agentProtocol.commitRestore, { sessionId: second }, { signal });
  await begin(modest, 40 * kib);
  await assert.rejects(begin(modest, 40 * kib), code(errorCodes.agentBusy));
  await greedy.close();
  await until(() => host.events.filter((event) => event.startsWith('aborted')).length === 5);
  await begin(modest, 40 * kib);
});
