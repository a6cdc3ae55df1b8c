import assert from 'node:assert/strict';
import { test } from 'node:test';

import { workerFile } from '../../../server/base/worker-url.ts';

test('a worker lies beside the module that starts it when sources run', () => {
  assert.equal(
    workerFile('export-worker', 'file:///app/server/daemon/transfer/export-pool.ts').href,
    'file:///app/server/daemon/transfer/export-worker.ts',
  );
});

test('a bundled worker lies beside the chunk that starts it', () => {
  assert.equal(
    workerFile('export-worker', 'file:///app/dist/server/chunk-AB12.js').href,
    'file:///app/dist/server/export-worker.js',
  );
});

test('a folder with blanks and a query after the module leave the worker where it is', () => {
  assert.equal(
    workerFile('w-worker', 'file:///C:/Program%20Files/t/a.ts?v=1').href,
    'file:///C:/Program%20Files/t/w-worker.ts',
  );
});
