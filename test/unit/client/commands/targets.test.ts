import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  hostTarget,
  repositoryTarget,
  restoreDiskTarget,
  restorePointTarget,
  vmTarget,
} from '../../../../client/targets.ts';

const vmId = '7F0B4A5E-1F0B-4C5D-9A53-0D6C5D0A1B2C';
const vm = { kind: 'vm', id: 'host/hv02/vm/x', host: 'hv02', vmId, vmName: 'sql01' };
const restorePointId = '01JABCDEFGHJKMNPQRSTVWXYZ0';
const disk = { kind: 'pointDisk', id: 'x', repository: 'main', restorePointId, disk: 'os' };

test('a node of another kind that is selected too is not what the command is about', () => {
  assert.throws(() => hostTarget(vm, ''), { code: 'TM1001' });
  assert.throws(() => restorePointTarget(disk, ''), { code: 'TM1001' });
  assert.throws(() => repositoryTarget({ ...disk, kind: 'point' }, ''), { code: 'TM1001' });
  assert.deepEqual(restoreDiskTarget(disk, ''), { restorePointId, repository: 'main', disk: 'os' });
});

test('an argument that is no node, of a link or another extension, counts by its fields', () => {
  assert.deepEqual(hostTarget({ host: 'hv02' }, ''), { host: 'hv02' });
  assert.equal(vmTarget(vm, '').vmName, 'sql01');
});
