import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { newRecordKey, RecordStore } from '../../../server/agent/hyperv/records.ts';
import { object, string } from '../../../server/protocol/parse.ts';

const parser = object({ key: string(), name: string() });

test('a record that is damaged is set aside, and keeps neither the others nor the agent', async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-records-'));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const good = { key: newRecordKey(), name: 'good' };
  const damaged = ['', '{"key":', '\0'.repeat(512), '[]', `{"key":"${newRecordKey()}"}`];
  for (const [at, text] of damaged.entries()) writeFileSync(join(folder, `${at}.json`), text);
  writeFileSync(join(folder, `${good.key}.json`), JSON.stringify(good));
  const lines: string[] = [];
  const log = { log: (_level: string, message: string) => lines.push(message) };
  assert.deepEqual((await RecordStore.open(folder, parser, log)).list(), [good]);
  assert.equal(readdirSync(folder).filter((name) => name.endsWith('.damaged')).length, damaged.length);
  assert.equal(lines.length, damaged.length);
  assert.deepEqual((await RecordStore.open(folder, parser, log)).list(), [good]);
});

test('a record that cannot be read now is not set aside', async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-records-'));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, 'x.json'));
  await assert.rejects(RecordStore.open(folder, parser, { log: () => undefined }), { code: 'EISDIR' });
  assert.deepEqual(readdirSync(folder), ['x.json']);
});
