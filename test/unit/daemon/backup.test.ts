import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';

import { executeBackup } from '../../../server/daemon/runs/backup.ts';
import type { BackupRequest, RunOutcome } from '../../../server/protocol/daemon.ts';
import { cancelledError, errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import { restorePointId } from '../../../server/protocol/ids.ts';
import { contentBefore, disk, FakeBackup, frozen, otherDisk, reported, request, vm } from './support/fake-backup.ts';

describe('a backup run', () => {
  let fake: FakeBackup;
  beforeEach(() => {
    fake = new FakeBackup();
  });

  const backUp = async (more: Partial<BackupRequest> = {}): Promise<RunOutcome> =>
    executeBackup({ ...request, ...more }, fake.context, fake.services);
  const ids = (items: readonly { readonly id: string }[]): string[] => items.map(({ id }) => id);
  const trackingIds = (): unknown[] => fake.committed?.disks.map((one) => one.trackingId) ?? [];
  /** A backup whose checkpoint becomes this reference point. */
  const backUpWithPoint = async (wrong: object): Promise<void> => {
    fake.lies.set('checkpoint/convert', (honest) => {
      honest();
      return { referencePoint: { ...fake.referencePoints.at(-1), ...wrong } };
    });
    await backUp();
  };
  const position = (call: string): number => {
    const found = fake.calls.indexOf(call);
    assert(found >= 0, `${call} is among ${fake.calls.join(', ')}`);
    return found;
  };

  it('makes data durable, then the reference point, then the restore point, then removes the superseded one', async () => {
    fake.addEarlier();
    await backUp();
    const order = [
      'journal checkpoint-requested',
      'clean up',
      'checkpoint/create',
      'export/open',
      'flush',
      'export/close',
      'checkpoint/convert',
      'commit',
      'journal restore-point-written',
      'referencePoint/remove',
      'dispose',
    ].map(position);
    assert.deepEqual(
      order,
      order.toSorted((a, b) => a - b),
      fake.calls.join(', '),
    );
    assert.equal(fake.committed?.referencePointId, 'rp-new');
    assert.equal(fake.committed.type, 'incremental');
    assert.deepEqual(ids(fake.referencePoints), ['rp-new']);
    assert.deepEqual(fake.checkpoints, []);
  });

  it('shows with the run what the clean-up before it warns of', async () => {
    const services = {
      ...fake.services,
      cleanUp: async (...[, , , , warn]: Parameters<typeof fake.services.cleanUp>) => warn('An old checkpoint.'),
    };
    await executeBackup(request, fake.context, services);
    assert.deepEqual(fake.warnings, ['An old checkpoint.']);
  });

  const failures = ['checkpoint/create', 'export/open', 'export/extents'];
  for (const step of failures) {
    it(`leaves no checkpoint and keeps the base when ${step} fails`, async () => {
      fake.addEarlier();
      fake.lies.set(step, (honest) => {
        // The checkpoint may be there although the answer is an error.
        honest();
        throw reported();
      });
      await assert.rejects(backUp(), { code: errorCodes.agentFailed });
      assert.deepEqual([ids(fake.checkpoints), ids(fake.referencePoints)], [[], ['rp-old']]);
      assert.equal(fake.committed, undefined);
      assert.equal(fake.calls.at(-1), 'dispose');
    });
  }

  it('makes no restore point when somebody else removed the checkpoint while its disks were read', async () => {
    fake.addEarlier();
    fake.lies.set('export/extents', (honest) => {
      fake.checkpoints = [];
      return honest();
    });
    await assert.rejects(backUp(), { code: errorCodes.checkpointNotFound, message: /Somebody else removed/ });
    assert.deepEqual([fake.committed, ids(fake.referencePoints)], [undefined, ['rp-old']]);
  });

  it('keeps the restore point without a reference point when only converting fails, and says so', async () => {
    fake.lies.set('checkpoint/convert', () => {
      throw reported();
    });
    await backUp();
    assert.equal(fake.committed?.referencePointId, undefined);
    assert.deepEqual(trackingIds(), [undefined, undefined]);
    assert.match(fake.committed?.warnings.join() ?? '', /next backup of this VM will be a full one: The host said no/);
    assert.deepEqual(fake.checkpoints, []);
  });

  it('keeps the restore point when the agent is lost while it converts', async () => {
    fake.lies.set('checkpoint/convert', () => {
      fake.closed.abort(reported(errorCodes.agentConnectionLost));
      throw reported(errorCodes.agentConnectionLost);
    });
    await backUp();
    assert(fake.committed);
    assert.equal(fake.committed.referencePointId, undefined);
    assert.match(fake.warnings.join(), /could not be removed now/);
  });

  it('does not count from a reference point that does not fit the checkpoint', async () => {
    const os = { diskId: disk, trackingId: 'track-os-now' };
    const data = { diskId: otherDisk, trackingId: 'track-data-now' };
    for (const wrong of [
      { vmId: disk },
      { runId: '01AAAAAAAAAAAAAAAAAAAAAAAA' },
      { disks: [] },
      { disks: [os] },
      { disks: [os, { ...data, trackingId: 'track-data-later' }] },
      { disks: [os, data, data] },
      { disks: [os, data, { diskId: vm, trackingId: 'x' }] },
    ]) {
      fake = new FakeBackup();
      await backUpWithPoint(wrong);
      assert.equal(fake.committed?.referencePointId, undefined);
      assert.deepEqual(trackingIds(), [undefined, undefined], JSON.stringify(wrong));
      assert.deepEqual(fake.referencePoints, [], 'what the host made is taken back');
    }
  });

  describe('on a host that tells tracking ids only with the reference point', () => {
    beforeEach(() => {
      const untold = { trackingId: undefined };
      fake.disks = [frozen(disk, 'os', untold), frozen(otherDisk, 'data', untold)];
    });

    it('takes those of the restore point from there', async () => {
      fake.addEarlier();
      await backUp();
      assert.equal(fake.committed?.type, 'incremental');
      assert.deepEqual(trackingIds(), ['track-os-now', 'track-data-now']);
    });

    it('gives a disk none that the reference point does not track', async () => {
      await backUpWithPoint({ disks: [{ diskId: otherDisk, trackingId: 'track-data-now' }] });
      assert.equal(fake.committed?.referencePointId, 'rp-new');
      assert.deepEqual(trackingIds(), [undefined, 'track-data-now']);
    });

    it('believes no moment that an earlier restore point counts from already, and none of a disk without tracking', async () => {
      const now = { diskId: disk, trackingId: 'track-os-now' };
      for (const wrong of [
        { id: 'rp-old' },
        { disks: [now, { diskId: otherDisk, trackingId: 'track-data-before' }] },
        { disks: [] },
      ]) {
        fake.points = [];
        fake.referencePoints = [];
        fake.addEarlier();
        await backUpWithPoint(wrong);
        assert.deepEqual(trackingIds(), [undefined, undefined], JSON.stringify(wrong));
        assert.equal(fake.committed?.referencePointId, undefined);
        assert.deepEqual(fake.referencePoints, [], 'nothing is left that a later run could count from');
      }
      fake = new FakeBackup();
      fake.disks = [frozen(disk, 'os'), frozen(otherDisk, 'data', { trackable: false, trackingId: undefined })];
      await backUp();
      assert.deepEqual(trackingIds(), [undefined, undefined]);
    });

    describe('and gives an unchanged disk the tracking id that it had', () => {
      const os = { diskId: disk, trackingId: 'track-os-now' };
      const data = { diskId: otherDisk, trackingId: 'track-data-before' };
      beforeEach(() => fake.addEarlier());

      for (const type of ['incremental', 'full'] as const) {
        it(`counts from it in the next run (${type})`, async () => {
          fake.contents = ['bmV3', contentBefore];
          fake.lies.set('checkpoint/convert', (honest) => {
            honest();
            fake.referencePoints = fake.referencePoints.map((one) =>
              one.id === 'rp-new' ? { ...one, disks: [os, data] } : one,
            );
            return { referencePoint: fake.referencePoints.at(-1) };
          });
          await backUp({ type });
          assert.deepEqual(trackingIds(), ['track-os-now', 'track-data-before']);
          assert.equal(fake.committed?.referencePointId, 'rp-new');
          assert.deepEqual([fake.committed.warnings, ids(fake.referencePoints)], [[], ['rp-new']]);
        });
      }

      it('cares nothing about a disk that is left out', async () => {
        fake.lies.set('export/open', (honest) => {
          const opened = honest();
          return { ...(typeof opened === 'object' ? opened : {}), disks: fake.disks.slice(0, 1) };
        });
        fake.lies.set('checkpoint/convert', (honest) => {
          honest();
          return { referencePoint: { ...fake.referencePoints.at(-1), disks: [os, data] } };
        });
        await backUp({ excludeDisks: ['data'] });
        assert.deepEqual(trackingIds(), ['track-os-now']);
        assert.equal(fake.committed?.referencePointId, 'rp-new');
      });

      it('does not believe it of a disk that is otherwise than any restore point with that id', async () => {
        const [first] = fake.points;
        assert(first);
        const disks = first.disks.map((one) => ({ ...one, sizeBytes: one.sizeBytes * 2 }));
        const later = { ...first, id: restorePointId('01AAAAAAAAAAAAAAAAAAAAAAAB', ''), disks };
        for (const [points, content] of [
          [[first], 'bmV3'],
          [[first, later], contentBefore],
          [[later], contentBefore],
        ] as const) {
          fake.points = [...points];
          fake.contents = ['bmV3', content];
          await backUpWithPoint({ disks: [os, data] });
          assert.deepEqual(trackingIds(), [undefined, undefined]);
          assert.equal(fake.committed?.referencePointId, undefined);
        }
      });
    });

    it('asks for no reference point when no disk is tracked', async () => {
      fake.disks = fake.disks.map((one) => ({ ...one, trackable: false }));
      await backUp();
      assert(!fake.calls.includes('checkpoint/convert'));
      assert.deepEqual([fake.checkpoints, trackingIds()], [[], [undefined, undefined]]);
    });

    it('refuses an export that says otherwise of a disk whether it is tracked', async () => {
      fake.lies.set('export/open', (honest) => {
        const truth = honest();
        const disks = fake.disks.map((one) => ({ ...one, trackable: false }));
        return { ...(typeof truth === 'object' ? truth : {}), disks };
      });
      await assert.rejects(backUp(), { code: errorCodes.agentProtocolViolation });
    });
  });

  describe('of a VM that came from another host, whose reference points carry no mark here', () => {
    const asked = (): unknown => {
      const found: unknown[] = [];
      fake.lies.set('referencePoint/remove', (honest, params) => {
        found.push(params);
        return honest();
      });
      return found;
    };
    const unmark = (more: object = {}): void => {
      fake.addEarlier();
      fake.referencePoints = fake.referencePoints.map((one) => ({ ...one, owner: undefined, ...more }));
    };

    it('removes the superseded one, and proves with its tracking ids that it knows it', async () => {
      unmark();
      const found = asked();
      await backUp();
      assert.equal(fake.committed?.type, 'incremental');
      assert.deepEqual(found, [{ referencePointId: 'rp-old', trackingIds: ['track-os-before', 'track-data-before'] }]);
      assert.deepEqual(ids(fake.referencePoints), ['rp-new']);
    });

    it('leaves one alone that another daemon owns, or whose tracking ids are others', async () => {
      const others = { disks: [{ diskId: disk, trackingId: 'theirs' }] };
      for (const more of [{ owner: 'f'.repeat(32) }, others]) {
        fake = new FakeBackup();
        unmark(more);
        await backUp();
        assert.deepEqual(ids(fake.referencePoints).toSorted(), ['rp-new', 'rp-old'], JSON.stringify(more));
      }
    });
  });

  it('takes the new reference point back when the restore point cannot be written', async () => {
    fake.addEarlier();
    fake.onCall = (call) => {
      if (call === 'commit') throw reported(errorCodes.repositoryFull);
    };
    await assert.rejects(backUp(), { code: errorCodes.repositoryFull });
    assert.deepEqual([ids(fake.checkpoints), ids(fake.referencePoints)], [[], ['rp-old']]);
  });

  it('does not commit when the writer lease is lost while the host converts', async () => {
    fake.onCall = (call) => {
      if (call === 'checkpoint/convert') fake.lease.abort(reported(errorCodes.leaseLost));
    };
    await assert.rejects(backUp(), { code: errorCodes.leaseLost });
    assert.equal(fake.committed, undefined);
    assert.deepEqual(fake.referencePoints, []);
  });

  it('succeeds although what follows the commit fails', async () => {
    for (const step of ['journal restore-point-written', 'referencePoint/remove', 'dispose']) {
      fake = new FakeBackup();
      fake.addEarlier();
      fake.onCall = (call) => {
        if (call === step) throw reported();
      };
      assert.equal((await backUp()).kind, 'backup', step);
      assert(fake.committed);
      assert(ids(fake.referencePoints).includes('rp-new'));
    }
  });

  const cancellable = [
    'vm/list',
    'clean up',
    'checkpoint/create',
    'export/open',
    'export/extents',
    'flush',
    'checkpoint/convert',
  ];
  for (const step of cancellable) {
    it(`leaves nothing on the host and no restore point when it is cancelled at ${step}`, async () => {
      fake.addEarlier();
      fake.onCall = (call) => {
        if (call === step) fake.controller.abort(cancelledError());
      };
      await assert.rejects(backUp(), { code: errorCodes.cancelled });
      assert.deepEqual([ids(fake.checkpoints), ids(fake.referencePoints)], [[], ['rp-old']]);
      assert.equal(fake.committed, undefined);
    });
  }

  const lies: readonly (readonly [string, string, (fake: FakeBackup) => object])[] = [
    ['export/open', 'a disk is missing', ({ disks }) => ({ disks: disks.slice(1) })],
    ['export/open', 'a disk is doubled', ({ disks }) => ({ disks: [...disks, disks[0]] })],
    ['export/open', 'a disk is another', ({ disks }) => ({ disks: [disks[0], frozen(vm, 'data')] })],
    [
      'export/open',
      'a disk has another size',
      ({ disks }) => ({ disks: [disks[0], frozen(otherDisk, 'data', { sizeBytes: 512 })] }),
    ],
    [
      'export/open',
      'a disk has another tracking id',
      ({ disks }) => ({ disks: [disks[0], frozen(otherDisk, 'data', { trackingId: 'x' })] }),
    ],
    [
      'checkpoint/create',
      'it is of another VM',
      ({ checkpoints: [made] }) => ({ checkpoint: { ...made, vmId: disk } }),
    ],
    [
      'checkpoint/create',
      'two disks share an id',
      ({ checkpoints: [made] }) => ({ checkpoint: { ...made, disks: [frozen(disk, 'a'), frozen(disk, 'b')] } }),
    ],
    ['export/extents', 'an extent goes past the end', () => ({ extents: [1 << 19, (1 << 19) + 1] })],
    ['export/extents', 'the last extent has no length', () => ({ extents: [0, 4096, 1 << 19] })],
    ['export/extents', 'the pages do not advance', () => ({ extents: [], nextOffset: 1 })],
    ['export/extents', 'the pages go past the end', () => ({ extents: [], nextOffset: (1 << 20) + 1 })],
  ];
  for (const [step, what, answer] of lies) {
    it(`refuses an agent whose ${step} does not fit: ${what}`, async () => {
      fake.lies.set(step, (honest) => {
        const truth = honest();
        return { ...(typeof truth === 'object' ? truth : {}), ...answer(fake) };
      });
      await assert.rejects(backUp(), { code: errorCodes.agentProtocolViolation });
      assert.equal(fake.committed, undefined);
      assert.deepEqual(fake.checkpoints, []);
    });
  }

  it('does not take a crash-consistent checkpoint for an application-consistent one', async () => {
    fake.lies.set('checkpoint/create', (honest, params) => {
      honest();
      const [made] = fake.checkpoints;
      return { checkpoint: { ...made, consistency: 'crash', asked: params['consistency'] } };
    });
    await assert.rejects(backUp({ consistency: 'application' }), { code: errorCodes.consistencyUnavailable });
    assert.deepEqual(fake.checkpoints, []);
    await backUp({ consistency: 'application-or-crash' });
    assert.equal(fake.committed?.consistency, 'crash');
    assert.match(fake.warnings.join(), /only crash-consistent/);
  });

  it('asks no guest that is off for application consistency, and warns of nothing', async () => {
    fake.vmState = 'off';
    await backUp({ consistency: 'application-or-crash' });
    assert.equal(fake.committed?.consistency, 'crash');
    assert.deepEqual(fake.warnings, []);
  });

  it('reads a disk in full, alone, when its tracking id is unknown, and says so', async () => {
    fake.addEarlier();
    fake.lies.set('export/extents', (honest, params) => {
      if (params['since'] !== undefined && params['diskId'] === disk) throw reported(errorCodes.trackingUnknown);
      return honest();
    });
    await backUp();
    assert.deepEqual(
      fake.committed?.disks.map((one) => [one.name, one.kind.type]),
      [
        ['os', 'full'],
        ['data', 'incremental'],
      ],
    );
    assert.match(fake.committed?.warnings.join() ?? '', /Disk os was read in full/);
  });

  it('reads a disk in full when the map it would build on is damaged', async () => {
    fake.addEarlier();
    fake.lostChunks = () => {
      throw reported(errorCodes.blobCorrupt);
    };
    await backUp();
    const kinds = fake.committed?.disks.map((one) => one.kind);
    assert.deepEqual(
      kinds,
      [1, 2].map(() => ({ type: 'full', reason: 'base-missing' })),
    );
  });

  it('reads chunks of the base again that verification found damaged', async () => {
    fake.addEarlier();
    fake.lostChunks = async function* lost() {
      yield 3;
    };
    // What has to be read needs a data connection, which the fake host does not have.
    await assert.rejects(backUp());
    assert.deepEqual(fake.totals, [65_536, 65_536]);
    assert.equal(fake.committed, undefined);
  });

  it('refuses to back up nothing, and a chunk size that is no power of two', async () => {
    const invalid = { code: errorCodes.invalidInput };
    await assert.rejects(backUp({ excludeDisks: ['*'] }), invalid);
    assert.deepEqual(fake.checkpoints, []);
    await assert.rejects(backUp({ chunkBytes: 65_537 }), invalid);
  });

  it('goes on when what an earlier run left cannot be removed', async () => {
    fake.onCall = (call) => {
      if (call === 'clean up') throw new TidemarkError(errorCodes.agentFailed, 'It is stuck.');
    };
    await backUp();
    assert.match(fake.warnings.join(), /could not be removed: It is stuck/);
    assert(fake.committed);
  });
});
