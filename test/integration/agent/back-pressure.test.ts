import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';

import { fakeDiskId, fakeHost } from '../../support/fake-provider.ts';
import { agentFor, connectTo, dataFor, exportOf, restoreOf } from './support.ts';

const mib = 1024 * 1024;
const chunk = 262_144;

/** Waits until `value` has not changed for a while. */
async function settled(value: () => number): Promise<number> {
  for (let seen = value(), quiet = 0; ; await sleep(20)) {
    const now = value();
    quiet = now === seen ? quiet + 1 : 0;
    seen = now;
    if (quiet >= 10) return now;
  }
}

const mostBytes = 40 * mib;

for (const https of [false, true]) {
  for (const compress of [false, true]) {
    const how = `${https ? 'https' : 'http'}, ${compress ? 'compressed' : 'plain'}`;
    test(`a daemon that takes nothing makes the agent stop reading the disk (${how})`, async (context) => {
      const host = fakeHost(randomBytes(mib));
      host.sizeBytes = 1024 * mib;
      let readBytes = 0;
      host.onRead = (_, length) => {
        readBytes += length;
      };
      const connection = await connectTo(context, (await agentFor(context, host, { https })).url);
      const exportId = await exportOf(connection);
      const data = await dataFor(context, connection.data);
      data.send({ exportId, diskId: fakeDiskId, chunkBytes: chunk, compress, ranges: [0, host.sizeBytes] });
      const before = await settled(() => readBytes);
      assert.ok(before >= mib && before <= mostBytes, `${before / mib} MiB were read for nobody`);
      for (let taken = 0; taken < 128; taken++) data.recycle(await data.next());
      const after = await settled(() => readBytes);
      assert.ok(after > before && after <= before + 64 * mib, `${before / mib}, then ${after / mib} MiB`);
    });
  }
}

test('a daemon that goes away ends the reading of a disk of zeros, which takes no room on the way', async (context) => {
  const host = fakeHost(Buffer.alloc(mib));
  host.sizeBytes = 4 * 1024 * 1024 * mib;
  let readBytes = 0;
  host.onRead = async (_, length) => {
    readBytes += length;
    await turn();
  };
  const connection = await connectTo(context, (await agentFor(context, host)).url);
  const exportId = await exportOf(connection);
  const data = await dataFor(context, connection.data);
  data.send({ exportId, diskId: fakeDiskId, chunkBytes: 4 * mib, compress: false, ranges: [0, host.sizeBytes] });
  await sleep(300);
  data.close();
  const seen = await settled(() => readBytes);
  assert.ok(seen < host.sizeBytes / 2);
});

test('a host that writes slowly makes the daemon wait', async (context) => {
  const host = fakeHost();
  const gate = Promise.withResolvers<void>();
  host.onWrite = async () => gate.promise;
  const connection = await connectTo(context, (await agentFor(context, host)).url);
  const sessionId = await restoreOf(connection, 256 * mib);
  const data = await dataFor(context, connection.data);
  const writer = data.beginWrite({ sessionId, diskId: fakeDiskId });
  let sent = 0;
  const sending = (async () => {
    const bytes = randomBytes(chunk);
    for (let offset = 0; offset < 256 * mib; offset += chunk) {
      await writer.write(offset, bytes);
      sent += chunk;
    }
    await writer.finish();
  })();
  const waiting = await settled(() => sent);
  assert.ok(waiting <= mostBytes, `${waiting / mib} MiB left for a host that took nothing`);
  gate.resolve();
  await sending;
  assert.equal(host.restored.size, 1);
});
