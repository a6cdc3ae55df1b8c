import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';

import { newRecord, openSelfTestRecords } from '../../../server/agent/hyperv/self-test/record.ts';
import { silentLogger } from '../../../server/base/log.ts';

test('a record that another user puts beside those of a self-test cannot have a folder elsewhere removed, nor another VM', async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-records-'));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const records = join(folder, 'records');
  mkdirSync(records);
  const planted = [
    { folder: '/' },
    { folder: dirname(folder) },
    { folder },
    { folder: join(folder, 'records') },
    { name: 'tidemark-self-test-0123456789ab', folder: join(folder, 'tidemark-self-test-0123456789ab') },
  ].map((lie) => ({ ...newRecord(folder), ...lie }));
  for (const record of planted) writeFileSync(join(records, `${record.key}.json`), JSON.stringify(record));
  const own = newRecord(folder);
  writeFileSync(join(records, `${own.key}.json`), JSON.stringify(own));
  assert.deepEqual((await openSelfTestRecords(folder, silentLogger)).list(), [own]);
});
