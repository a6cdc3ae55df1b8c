import assert from 'node:assert/strict';
import { test } from 'node:test';

import { beginWrite } from '../../../server/daemon/runs/begin-write.ts';
import { cancelledError, errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import { runId } from '../../../server/protocol/ids.ts';
import type { WriteSession } from '../../../server/repository/index.ts';

const locked = (): TidemarkError => new TidemarkError(errorCodes.repositoryLocked, 'Garbage is being collected.');
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only handed through
const session = {} as WriteSession;

/** A repository that is locked the first `times` times. */
function repository(times: number, error: () => Error = locked) {
  const asked = { count: 0 };
  return {
    asked,
    async beginWrite() {
      asked.count += 1;
      if (asked.count <= times) throw error();
      return session;
    },
  };
}

function context() {
  const abort = new AbortController();
  const lines: string[] = [];
  const id = runId('01ARZ3NDEKTSV4RRFFQ69G5FAV', '');
  return { abort, lines, id, signal: abort.signal, log: (_level: string, text: string) => void lines.push(text) };
}

test('a backup waits for a collection that has the repository for itself, and says so once', async () => {
  const run = context();
  assert.equal(await beginWrite(repository(2), run), session);
  assert.deepEqual(run.lines, ['Waiting: Garbage is being collected.']);
});

test('a repository that stays locked fails the backup with the reason', async () => {
  await assert.rejects(beginWrite(repository(Infinity), context(), 0), (error) =>
    TidemarkError.is(error, errorCodes.repositoryLocked),
  );
});

test('another error is not waited for', async () => {
  const full = (): TidemarkError => new TidemarkError(errorCodes.repositoryFull, 'Full.');
  const target = repository(Infinity, full);
  await assert.rejects(beginWrite(target, context()), (error) => TidemarkError.is(error, errorCodes.repositoryFull));
  assert.equal(target.asked.count, 1);
});

test('a cancel ends the waiting', async () => {
  const run = context();
  const waiting = beginWrite(repository(Infinity), run);
  run.abort.abort(cancelledError());
  await assert.rejects(waiting, (error) => TidemarkError.is(error, errorCodes.cancelled));
});
