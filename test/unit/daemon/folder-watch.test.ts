import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { watchFolder } from '../../../server/daemon/folder-watch.ts';

async function temporary(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'tidemark-folder-'));
}

/** Watches, lets `change` happen, and waits for the watch to tell. */
async function told(directory: string, change: () => Promise<void>): Promise<number> {
  let calls = 0;
  const gone = Promise.withResolvers<void>();
  const watch = await watchFolder(directory, 5, () => {
    calls += 1;
    gone.resolve();
  });
  try {
    await change();
    await gone.promise;
    return calls;
  } finally {
    watch[Symbol.dispose]();
  }
}

describe('watch of the data directory', () => {
  test('tells once that the directory was deleted', async () => {
    const directory = await temporary();
    assert.equal(await told(directory, () => rm(directory, { recursive: true })), 1);
  });

  test('tells that another directory is in its place', async () => {
    const directory = await temporary();
    const change = async (): Promise<void> => {
      await rename(directory, `${directory}-old`);
      await mkdir(directory);
    };
    assert.equal(await told(directory, change), 1);
    await rm(directory, { recursive: true });
    await rm(`${directory}-old`, { recursive: true });
  });

  test('says nothing while the directory is there', async () => {
    const directory = await temporary();
    let calls = 0;
    const watch = await watchFolder(directory, 1, () => (calls += 1));
    // Another directory that goes is seen by its own watch: by then this one had many looks.
    const other = await temporary();
    await told(other, () => rm(other, { recursive: true }));
    watch[Symbol.dispose]();
    assert.equal(calls, 0);
    await rm(directory, { recursive: true });
  });
});
