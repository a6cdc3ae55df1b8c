/** What a killed process may not leave behind: on the host, in the repository, in the daemon's data directory. */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { vmState } from '../../../../server/agent/simulated/state.ts';
import type { VmDocument } from '../../../../server/agent/simulated/state.ts';
import { json } from '../../../../server/protocol/parse.ts';
import { filesBelow } from './files.ts';
import { providerKind } from './hosts.ts';
import { diskName, vmName } from './site.ts';
import type { Site } from './site.ts';

/** The state file of the VM. */
export async function vmDocument(site: Site, host = 'hv01'): Promise<VmDocument> {
  const file = join(site.root(host), 'vms', vmName, 'vm.json');
  return json(await readFile(file, 'utf8'), vmState, file);
}

/** Besides its disks: what the fake Hyper-V keeps of a VM (test/support/hyperv/vmms). */
const configurationFiles = providerKind === 'hyperv' ? ['hyperv.json', 'Snapshots'] : [];

/** The host has nothing of a run: no checkpoint, no merge, no differencing disk, no open export or restore. */
export async function checkHostClean(site: Site, host = 'hv01'): Promise<void> {
  const root = site.root(host);
  const { checkpoint, merge } = await vmDocument(site, host);
  assert.equal(checkpoint, undefined, 'no checkpoint');
  assert.equal(merge, undefined, 'no merge');
  const disk = [`${diskName}.vhdx`, `${diskName}.vhdx.mrt`, `${diskName}.vhdx.rct`];
  const files = [...disk, 'vm.json', ...configurationFiles];
  const found = (await readdir(join(root, 'vms', vmName))).sort();
  assert.deepEqual(
    found.filter((file) => !files.includes(file)),
    [],
    'no file of a checkpoint',
  );
  for (const folder of ['export', 'restoring', 'creating', 'incoming']) {
    assert.deepEqual(await readdir(join(root, folder)), [], `nothing in ${folder}`);
  }
  if (found.includes('Snapshots')) {
    assert.deepEqual(await readdir(join(root, 'vms', vmName, 'Snapshots')), [], 'no configuration of a checkpoint');
  }
}

const repositoryFile =
  /^(config\.json(\.bak)?|keys\/[0-9a-f]+\.json|index\/[0-9a-f]+|[dm]\/[0-9a-f]{2}\/[0-9a-f]+|points\/[0-9A-F-]+\/[0-9A-Z]+\.rp)$/;

const dataFile =
  /^(owner|secrets\.json|tidemark\.db(-wal|-shm)?|logs\/daemon[^/]*\.log|run\/(daemon\.json|daemon\.lock|token|[0-9a-f]+\.sock))$/;

/** Repository and data directory hold files of their formats only: nothing temporary, no lease, no partial file. */
export async function checkFilesClean(site: Site): Promise<void> {
  const inRepository = await filesBelow(site.repository);
  assert.deepEqual(
    inRepository.filter((file) => !repositoryFile.test(file)),
    [],
    'in the repository',
  );
  const inData = await filesBelow(site.data);
  assert.deepEqual(
    inData.filter((file) => !dataFile.test(file)),
    [],
    'in the data directory',
  );
  assert.ok(inData.filter((file) => file.endsWith('.sock')).length <= 1, 'no socket of a dead daemon');
}

/** After a run that succeeded: clean everywhere, and the only reference point is the one the next run counts from. */
export async function checkNothingLeft(site: Site, referencePointId: string | undefined, host = 'hv01'): Promise<void> {
  await checkHostClean(site, host);
  const { referencePoints } = await vmDocument(site, host);
  assert.deepEqual(
    referencePoints.map(({ id }) => id),
    referencePointId === undefined ? [] : [referencePointId],
  );
  await checkFilesClean(site);
}
