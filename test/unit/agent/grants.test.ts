import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Grants } from '../../../server/agent/grants.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import * as id from '../../../server/protocol/ids.ts';
import type { Checkpoint } from '../../../server/protocol/model.ts';
import { fakeHost, fakeProvider, fakeVmId } from '../../support/fake-provider.ts';

const [ours, theirs] = ['a', 'b'].map((digit) => id.ownerId(digit.repeat(32), 'owner'));
const never = new AbortController().signal;

function checkpoint(name: string, owner: id.OwnerId | undefined): Checkpoint {
  const common = { vmId: fakeVmId, createdAt: '2026-01-01T00:00:00Z', consistency: 'crash', disks: [] } as const;
  return { id: id.checkpointId(name, 'id'), ...common, ...(owner === undefined ? {} : { owner }) };
}

test('the host is asked only for what the session was not told about', async () => {
  assert.ok(ours !== undefined && theirs !== undefined);
  let asked = 0;
  const provider = {
    ...fakeProvider(fakeHost()),
    listCheckpoints: async () => {
      asked += 1;
      return [checkpoint('found', ours), checkpoint('foreign', theirs), checkpoint('nobodys', undefined)];
    },
  };
  const grants = new Grants();
  grants.checkpoints.learn([checkpoint('told', ours)]);
  const vmOf = async (name: string): Promise<unknown> =>
    grants.checkpoint(id.checkpointId(name, 'id'), ours, provider, never);
  assert.equal(await vmOf('told'), fakeVmId);
  assert.equal(asked, 0);
  for (let time = 0; time < 3; time++) assert.equal(await vmOf('found'), fakeVmId);
  assert.equal(asked, 1);
  assert.equal(await vmOf('gone'), undefined);
  for (const name of ['foreign', 'nobodys']) {
    await assert.rejects(vmOf(name), (error) => TidemarkError.is(error, errorCodes.notOwnObject));
  }
});

test('what is remembered is bounded, and what was forgotten is asked for again', async () => {
  assert.ok(ours !== undefined);
  let asked = 0;
  const provider = {
    ...fakeProvider(fakeHost()),
    listCheckpoints: async () => {
      asked += 1;
      return [checkpoint('cp-0', ours)];
    },
  };
  const grants = new Grants();
  for (let number = 0; number < 5000; number++) grants.checkpoints.learn([checkpoint(`cp-${number}`, ours)]);
  await grants.checkpoint(id.checkpointId('cp-4999', 'id'), ours, provider, never);
  assert.equal(asked, 0);
  await grants.checkpoint(id.checkpointId('cp-0', 'id'), ours, provider, never);
  assert.equal(asked, 1);
});
