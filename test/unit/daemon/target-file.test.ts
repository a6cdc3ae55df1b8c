import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';

import {
  checkTarget,
  completePartial,
  createPartial,
  partialPath,
} from '../../../server/daemon/transfer/target-file.ts';
import { errorCodes } from '../../../server/protocol/errors.ts';

describe('the file a disk is restored to', () => {
  let directory: string;
  let target: string;
  let partial: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'tidemark-target-'));
    target = join(directory, 'disk.vhdx');
    partial = partialPath(target, 'run');
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const piece = (offset: number, text: string): { offset: number; data: Uint8Array } => ({
    offset,
    data: Buffer.from(text),
  });

  it('gets its name only when it is complete', async () => {
    await createPartial(partial, 100_000, [piece(10, 'first')]);
    assert.equal(existsSync(target), false);
    await completePartial(partial, target, [piece(0, 'last')], false);
    assert.deepEqual(readdirSync(directory), ['disk.vhdx']);
    const content = readFileSync(target);
    assert.equal(content.length, 100_000);
    assert.equal(content.toString('latin1', 0, 15), 'last\0\0\0\0\0\0first');
    assert.equal(statSync(target).mode & 0o077, 0, 'a disk has secrets');
  });

  it('does not replace a file, even one that appeared meanwhile, unless it may', async () => {
    writeFileSync(target, 'precious');
    const exists = { code: errorCodes.targetExists };
    await assert.rejects(checkTarget(target, 1, false), exists);
    await createPartial(partial, 10, []);
    await assert.rejects(completePartial(partial, target, [], false), exists);
    assert.equal(readFileSync(target, 'utf8'), 'precious');
    await checkTarget(target, 1, true);
    await completePartial(partial, target, [], true);
    assert.equal(readFileSync(target).length, 10);
  });

  it('is refused early where it cannot be', async () => {
    mkdirSync(target);
    await assert.rejects(checkTarget(target, 1, true), { code: errorCodes.targetNotWritable });
    await assert.rejects(checkTarget(join(directory, 'no', 'disk'), 1, false), { code: errorCodes.targetNotWritable });
    await assert.rejects(checkTarget('disk.vhdx', 1, false), { code: errorCodes.invalidInput });
    const huge = Number.MAX_SAFE_INTEGER;
    await assert.rejects(checkTarget(join(directory, 'huge'), huge, false), { code: errorCodes.targetDiskFull });
  });

  it('never writes into a partial file that is there already', async () => {
    writeFileSync(partial, 'of another run');
    await assert.rejects(createPartial(partial, 10, []));
    assert.equal(readFileSync(partial, 'utf8'), 'of another run');
  });
});
