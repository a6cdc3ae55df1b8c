import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';

import { cleanUpHost } from '../../../server/daemon/runs/clean-up.ts';
import { HostCleaner } from '../../../server/daemon/host-cleaner.ts';
import { silentLogger } from '../../../server/base/log.ts';
import { errorCodes } from '../../../server/protocol/errors.ts';
import { referencePointId } from '../../../server/protocol/ids.ts';
import type { ReferencePointId } from '../../../server/protocol/ids.ts';
import { disk, FakeBackup, owner, reported, run, vm } from './support/fake-backup.ts';

const createdAt = '2026-01-01T00:00:00Z';
const otherOwner = 'f'.repeat(32);
const fields = { vmId: vm, owner, createdAt, consistency: 'crash', disks: [] };
const ended = '01BBBBBBBBBBBBBBBBBBBBBBBB';

describe('cleaning a host', () => {
  let fake: FakeBackup;
  let known: ReadonlySet<ReferencePointId> | undefined;

  beforeEach(() => {
    warnings = [];
    fake = new FakeBackup();
    const item = (id: string, more: object): { id: string } => ({
      id,
      ...fields,
      ...more,
    });
    fake.checkpoints = [
      item('of-active-run', { runId: run }),
      item('of-ended-run', { runId: ended }),
      item('of-other-daemon', { owner: otherOwner, runId: ended }),
      item('of-nobody', { owner: undefined }),
      item('of-other-vm', { vmId: disk, runId: ended }),
    ];
    fake.referencePoints = [
      item('named', { runId: ended }),
      item('unnamed', { runId: ended }),
      item('unnamed-of-active-run', { runId: run }),
      item('unnamed-of-other-daemon', { owner: otherOwner }),
    ];
    known = new Set([referencePointId('named', '')]);
  });

  const ids = (items: readonly { readonly id: string }[]): string[] => items.map(({ id }) => id).toSorted();
  let warnings: string[];
  const clean = async (): Promise<void> =>
    cleanUpHost({
      warn: (text) => warnings.push(text),
      connection: fake.connection,
      owner,
      isActive: (id) => id === run,
      knownReferencePoints: async () => known,
      log: silentLogger,
      signal: fake.controller.signal,
    });

  it('removes what is ours, of no active run, and named by no restore point; nothing else', async () => {
    await clean();
    assert.deepEqual(ids(fake.checkpoints), ['of-active-run', 'of-nobody', 'of-other-daemon']);
    assert.deepEqual(ids(fake.referencePoints), ['named', 'unnamed-of-active-run', 'unnamed-of-other-daemon']);
  });

  it('says of a checkpoint of another daemon that it is old; of a young one, and of those of other products, it does not', async () => {
    const now = Date.now();
    const at = (hours: number): string => new Date(now - hours * 3_600_000).toISOString();
    const other = { ...fields, owner: otherOwner, runId: ended };
    fake.checkpoints = [
      { ...other, id: 'old', createdAt: at(30) },
      { ...other, id: 'young', vmId: disk, createdAt: at(20) },
      { ...fields, id: 'ours', runId: ended, createdAt: at(30) },
      { ...fields, id: 'of-another-product', owner: undefined, createdAt: at(3000) },
    ];
    await clean();
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] ?? '', new RegExp(`HV01: .*VM ${vm}.* another daemon is 30 hours old`));
  });

  it('keeps all reference points while it is not known which are needed', async () => {
    known = undefined;
    await clean();
    assert.equal(fake.referencePoints.length, 4);
    assert.equal(fake.checkpoints.length, 3);
  });

  it('tries everything else when one thing cannot be removed, then says what failed', async () => {
    fake.lies.set('checkpoint/remove', (honest, params) => {
      if (params['checkpointId'] === 'of-ended-run') throw reported(errorCodes.vmBusy);
      return honest();
    });
    await assert.rejects(clean(), { code: errorCodes.vmBusy });
    assert.deepEqual(ids(fake.checkpoints), ['of-active-run', 'of-ended-run', 'of-nobody', 'of-other-daemon']);
    assert(!ids(fake.referencePoints).includes('unnamed'));
  });

  it('is tried again in the background until the host answers', async () => {
    let attempts = 0;
    const done = Promise.withResolvers<void>();
    const cleaner = new HostCleaner({
      owner,
      isActive: () => false,
      knownReferencePoints: async () => known,
      host: () => ({
        name: 'hv01',
        threads: 1,
        connect: async () => assert.fail('nobody waits for it'),
        glance: async () => {
          attempts += 1;
          if (attempts < 3) throw reported(errorCodes.hostUnreachable);
          done.resolve();
          return fake.connection;
        },
      }),
      log: silentLogger,
      retryMs: 1,
    });
    // The cleaner's timers do not keep a process alive.
    const keepAlive = setInterval(() => undefined, 1000);
    cleaner.request('hv01');
    await done.promise;
    await cleaner.close();
    clearInterval(keepAlive);
    assert.equal(attempts, 3);
  });
});
