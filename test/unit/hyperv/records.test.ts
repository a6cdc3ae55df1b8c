/** What the provider remembers, and how it tells what is ours. */
import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import * as fc from 'fast-check';

import { pairDisks } from '../../../server/agent/hyperv/checkpoints/tracked-disks.ts';
import { markText, parseMark } from '../../../server/agent/hyperv/checkpoints/marks.ts';
import { newRecordKey, openRecords } from '../../../server/agent/hyperv/records.ts';
import type { CheckpointRecord } from '../../../server/agent/hyperv/records.ts';
import { lineLogger, silentLogger } from '../../../server/base/log.ts';
import { diskId, ownerId, runId, vmId } from '../../../server/protocol/ids.ts';
import { owner, run, scratch } from '../simulated/support.ts';

const vm = vmId('11111111-2222-3333-4444-555555555555', 'vm');
const os = diskId('AAAAAAAA-2222-3333-4444-555555555555', 'os');
const data = diskId('BBBBBBBB-2222-3333-4444-555555555555', 'data');

const record = (): CheckpointRecord => ({
  format: 1,
  key: newRecordKey(),
  vmId: vm,
  owner,
  runId: run,
  consistency: 'crash',
  startedAt: '2026-01-01T00:00:00Z',
  before: [],
  phase: 'starting',
  leaves: [],
  bases: [],
});

test('a mark comes back from the name of a checkpoint, and no other name is taken for one', () => {
  const hex = fc.string({ unit: fc.constantFrom(...'0123456789abcdef'.split('')), minLength: 32, maxLength: 32 });
  const ulid = fc.string({
    unit: fc.constantFrom(...'0123456789ABCDEFGHJKMNPQRSTVWXYZ'.split('')),
    minLength: 25,
    maxLength: 25,
  });
  fc.assert(
    fc.property(hex, ulid, fc.constantFrom('application' as const, 'crash' as const), (by, of, consistency) => {
      const mark = { owner: ownerId(by, 'owner'), runId: runId(`0${of}`, 'run'), consistency };
      assert.deepEqual(parseMark(markText(mark)), mark);
      for (const other of [
        ` ${markText(mark)}`,
        `${markText(mark)} `,
        markText(mark).toUpperCase(),
        `${markText(mark)}\n`,
      ]) {
        assert.equal(parseMark(other), undefined, JSON.stringify(other));
      }
    }),
  );
  for (const name of ['', 'Tidemark', 'Tidemark of mine', 'web - Backup - (1/1/2026 - 10:00:00 AM)']) {
    assert.equal(parseMark(name), undefined);
  }
});

test('records survive, one file each, and one that is damaged is set aside and said', async (t) => {
  const folder = await scratch(t);
  const first = await openRecords(folder, silentLogger);
  const kept = await first.checkpoints.put(record());
  const damaged = await first.checkpoints.put(record());
  const gone = await first.checkpoints.put(record());
  await first.checkpoints.put({ ...kept, phase: 'taken', jobId: 'job' });
  await first.checkpoints.delete(gone.key);
  await first.checkpoints.delete(gone.key);
  const directory = join(folder, 'checkpoints');
  const file = join(directory, `${damaged.key}.json`);
  await writeFile(file, (await readFile(file, 'utf8')).slice(0, 40));
  await writeFile(join(directory, `${kept.key}.json.123456789abc.tmp`), 'half');
  const lines: string[] = [];
  const again = await openRecords(
    folder,
    lineLogger((line) => lines.push(line)),
  );
  assert.deepEqual(again.checkpoints.list(), [{ ...kept, phase: 'taken', jobId: 'job' }]);
  assert.match(lines.join(), /is damaged and was set aside/);
  assert.deepEqual(
    (await readdir(directory)).toSorted(),
    [`${damaged.key}.json.damaged`, `${kept.key}.json`].toSorted(),
  );
  assert.deepEqual((await openRecords(folder, silentLogger)).checkpoints.list().length, 1);
});

test('tracking ids go with the disks of the same place in both lists, by the whole id or by what follows the GUID in it', () => {
  const id = (of: string, location: number): string => `Microsoft:${of}\\83F8638B-0001\\0\\${location}\\L`;
  const known = [
    { instanceId: id('SNAPSHOT', 0), diskId: os },
    { instanceId: id('SNAPSHOT', 1), diskId: data },
  ];
  const pair = (diskInstanceIds: readonly string[], trackingIds: readonly string[]) =>
    pairDisks({ diskInstanceIds, trackingIds }, known)?.map((one) => [one.diskId, one.trackingId]);
  assert.deepEqual(pair([id('SNAPSHOT', 1), id('snapshot', 0)], ['rctX:d', 'rctX:o']), [
    [data, 'rctX:d'],
    [os, 'rctX:o'],
  ]);
  assert.deepEqual(pair([id('VM', 0)], ['rctX:o']), [[os, 'rctX:o']]);
  // Without a meaning for the places there is none for any id.
  assert.equal(pair([id('SNAPSHOT', 0), id('SNAPSHOT', 1)], ['rctX:o']), undefined);
  assert.equal(pair([], ['rctX:o']), undefined);
  assert.equal(pair([id('SNAPSHOT', 0), id('VM', 0)], ['rctX:o', 'rctX:p']), undefined, 'one disk, two moments');
  assert.deepEqual(pair([id('SNAPSHOT', 0), id('SNAPSHOT', 1)], ['', 'rctX:d']), [[data, 'rctX:d']]);
  assert.deepEqual(pair([id('SNAPSHOT', 7), 'nonsense'], ['rctX:a', 'rctX:b']), []);
  assert.deepEqual(pair([id('SNAPSHOT', 0)], ['has spaces']), []);
});
