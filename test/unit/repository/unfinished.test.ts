import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { openLocalBackend, openRepository } from '../../../server/repository/index.ts';
import { signal, SmallRepository } from './small-repository.ts';
import { backUp, emptyRepository, temporaryFolder } from './support.ts';

const hourMs = 60 * 60 * 1000;

test('an unfinished file stays as long as a writer lives that may be at it, and goes when it is an hour old and nobody is', async () => {
  const small = await SmallRepository.create();
  const { storage, core } = small;
  const left = 'd/unfinished.0123456789ab.tmp';
  storage.set(left, Buffer.from('of a writer that died'));
  storage.aheadMs += 2 * hourMs;
  const writer = await core.acquireLease('writer', 'slow', signal);
  const mine = 'd/unfinished.abcdef012345.tmp';
  storage.set(mine, Buffer.from('some chunks; the next ones are stored already'));
  const collect = async (): Promise<void> => {
    await (await small.second()).repository.collectGarbage({ dryRun: false, now: false, signal });
  };
  const unfinished = (): string[] => [...storage.files().keys()].filter((name) => name.endsWith('.tmp'));

  await collect();
  assert.deepEqual(unfinished(), [mine]);
  // The writer has refreshed its lease, but written nothing for two hours.
  const lease = storage.bytes(writer.file);
  storage.aheadMs += 2 * hourMs;
  storage.set(writer.file, lease);
  await collect();
  assert.deepEqual(unfinished(), [mine]);
  await writer.release();
  await collect();
  assert.deepEqual(unfinished(), []);
});

/** What a thread leaves that is ended while it fills a pack. */
function leave(location: string, writer: string): void {
  writeFileSync(join(location, `d/unfinished.${writer}.0123456789ab.tmp`), 'half');
}

test('what a session began and could not remove is gone when it ends; what others are at stays', async () => {
  using folder = temporaryFolder();
  const { recoveryKey } = await emptyRepository(folder.path);
  const repository = await openRepository(folder.path, { password: recoveryKey, signal });
  const storage = openLocalBackend(folder.path);
  await using other = await repository.beginWrite({ signal, note: 'other' });
  const theirs = await storage.create('d', other.writer);
  const left = async (): Promise<readonly string[]> => (await storage.listPieces('d')).map(({ writer }) => writer);
  {
    await using session = await repository.beginWrite({ signal, note: 'one' });
    leave(folder.path, session.writer);
    assert.deepEqual((await left()).toSorted(), [other.writer, session.writer].toSorted());
  }
  assert.deepEqual(await left(), [other.writer]);
  await theirs.discard();
});

test('what a writer left that died is gone after the next backup, and after a collection, at once', async () => {
  for (const next of ['backup', 'collection'] as const) {
    using folder = temporaryFolder();
    const { recoveryKey } = await emptyRepository(folder.path);
    const repository = await openRepository(folder.path, { password: recoveryKey, signal });
    const storage = openLocalBackend(folder.path);
    await using living = await repository.beginWrite({ signal, note: 'living' });
    const theirs = await storage.create('d', living.writer);
    leave(folder.path, '01JD0000000000000000000000');
    if (next === 'backup') await backUp(repository, [1]);
    else await repository.collectGarbage({ dryRun: false, now: false, signal });
    assert.deepEqual(
      (await storage.listPieces('d')).map(({ writer }) => writer),
      [living.writer],
      next,
    );
    await theirs.discard();
  }
});
