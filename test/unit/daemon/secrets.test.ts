import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';

import { SecretStore } from '../../../server/daemon/secrets.ts';
import { errorCodes } from '../../../server/protocol/errors.ts';

describe('the secrets of a data directory', () => {
  let directory: string;
  let file: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'tidemark-secrets-'));
    file = join(directory, 'secrets.json');
  });
  afterEach(() => {
    chmodSync(directory, 0o700);
    rmSync(directory, { recursive: true });
  });

  it('are there again after a start, and readable by their owner only', async () => {
    const first = await SecretStore.open(directory);
    await first.set('hosts', 'hv01', 'correct horse');
    await first.set('repositories', 'main', 'battery staple');
    await first.delete('hosts', 'hv01');
    const second = await SecretStore.open(directory);
    assert.equal(second.get('repositories', 'main'), 'battery staple');
    assert.throws(() => second.get('hosts', 'hv01'), { code: errorCodes.invalidFile });
    if (process.platform !== 'win32') assert.equal(statSync(file).mode & 0o777, 0o600);
  });

  it('are not thrown away when their file is damaged', async () => {
    writeFileSync(file, '{"format":1,');
    await assert.rejects(SecretStore.open(directory), { code: errorCodes.invalidInput });
    assert.equal(readFileSync(file, 'utf8'), '{"format":1,');
  });

  it('stay what the file says when it cannot be written', { skip: process.getuid?.() === 0 }, async () => {
    const store = await SecretStore.open(directory);
    await store.set('hosts', 'hv01', 'old password');
    chmodSync(directory, 0o500);
    await assert.rejects(store.set('hosts', 'hv01', 'new password'));
    assert.equal(store.get('hosts', 'hv01'), 'old password');
  });

  it('are blanked in texts, old ones and those of this start alike', async () => {
    const store = await SecretStore.open(directory);
    await store.set('hosts', 'hv01', 'first secret');
    await store.set('hosts', 'hv01', 'second secret');
    store.keepOutOfLogs('never stored');
    const text = store.redact('first secret, second secret, never stored, harmless');
    assert.equal(text, '<redacted>, <redacted>, <redacted>, harmless');
  });
});
