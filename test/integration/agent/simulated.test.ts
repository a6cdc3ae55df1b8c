import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { zstdDecompressSync } from 'node:zlib';

import { createVm, exportRaw, guestWrite, initHost } from '../../../server/agent/simulated/index.ts';
import {
  beginRestore,
  commitRestore,
  convertCheckpoint,
  createCheckpoint,
  listExtents,
  listVms,
  openExport,
} from '../../../server/protocol/agent.ts';
import * as id from '../../../server/protocol/ids.ts';
import { fakeHost } from '../../support/fake-provider.ts';
import { agentFor, connectTo, dataFor, never } from './support.ts';

const plain = { signal: never };
const sizeBytes = 32 * 1024 * 1024;
const chunkBytes = 65_536;

test('a simulated host is served: checkpoint, export, read, reference point, restore, bit for bit', async (context) => {
  const directory = await mkdtemp(join(tmpdir(), 'tidemark-agent-'));
  context.after(async () => rm(directory, { recursive: true, force: true }));
  const root = join(directory, 'host');
  await initHost(root);
  await createVm(root, { name: 'vm', disks: [{ name: 'os', sizeBytes }] });
  await guestWrite(root, 'vm', 'os', { offset: 5 * 1024 * 1024 + 17, from: randomBytes(300_000) });
  const agent = await agentFor(context, fakeHost(), { provider: { kind: 'simulated', root } });
  const connection = await connectTo(context, agent.url);
  const { vms } = await connection.request(listVms, {}, plain);
  const [vm] = vms;
  assert.ok(vm !== undefined && vms.length === 1);

  const runId = id.runId('01ARZ3NDEKTSV4RRFFQ69G5FAV', 'run');
  const take = { vmId: vm.id, runId, consistency: 'crash' } as const;
  const { checkpoint } = await connection.request(createCheckpoint, take, plain);
  await guestWrite(root, 'vm', 'os', { offset: 0, from: randomBytes(100_000) });
  const checkpointId = checkpoint.id;
  const { exportId, disks, configuration } = await connection.request(
    openExport,
    { checkpointId, excludeDisks: [] },
    plain,
  );
  const [disk] = disks;
  assert.ok(disk !== undefined);
  const { extents } = await connection.request(listExtents, { exportId, diskId: disk.id, offset: 0 }, plain);
  assert.ok(extents.length >= 2);

  const data = await dataFor(context, connection.data);
  data.send({ exportId, diskId: disk.id, chunkBytes, compress: true, ranges: [0, sizeBytes] });
  const definition = { name: 'copy', configuration, connectNetwork: false, disks };
  const { sessionId } = await connection.request(beginRestore, definition, plain);
  const writing = await dataFor(context, connection.data);
  const writer = writing.beginWrite({ sessionId, diskId: disk.id });
  for (let frame = await data.next(); frame.type !== 'end'; frame = await data.next()) {
    if (frame.type === 'zero') continue;
    await writer.write(frame.offset, frame.encoding === 'raw' ? frame.payload : zstdDecompressSync(frame.payload));
    data.recycle(frame);
  }
  await writer.finish();
  await connection.request(commitRestore, { sessionId }, plain);
  const { referencePoint } = await connection.request(convertCheckpoint, { checkpointId }, plain);
  assert.equal(referencePoint.vmId, vm.id);

  const [copy, now] = [join(directory, 'copy.raw'), join(directory, 'now.raw')];
  await exportRaw(root, 'copy', 'os', copy);
  await exportRaw(root, 'vm', 'os', now);
  const [restored, current] = [await readFile(copy), await readFile(now)];
  assert.ok(restored.subarray(100_000).equals(current.subarray(100_000)));
  assert.ok(restored.subarray(0, 100_000).equals(Buffer.alloc(100_000)));
});
