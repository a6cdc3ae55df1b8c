/** Network adapters and virtual switches may be called anything, too: their names are kept as they are, into the backup and back. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import type { HostProvider } from '../../../server/agent/provider.ts';
import { vmState } from '../../../server/agent/simulated/state.ts';
import type { VmConfiguration, VmInfo } from '../../../server/protocol/model.ts';
import { names } from '../../support/hyperv/hostile-names.ts';
import { skipWithoutDotnet } from '../../support/hyperv/pwsh.ts';
import { checkpointOf, exportOf, MiB, never, quiet } from '../../unit/simulated/support.ts';
import { hyperVSite } from './support.ts';

/** Hyper-V takes two switches of one name, but then nobody can say which one is meant. */
const switches = [...new Set(names)].filter((name) => name !== '');
/** The simulated host knows no adapter without any name. */
const adapters = names.map((name) => ({ name: name || 'nameless', switchName: name || null }));

/** What a backup of the VM says of it. */
async function configurationOf(provider: HostProvider, vm: VmInfo): Promise<VmConfiguration> {
  const checkpoint = await checkpointOf(provider, vm);
  const opened = await exportOf(provider, checkpoint.id);
  await provider.closeExport(opened.id);
  await provider.removeCheckpoint(checkpoint.id, quiet);
  return opened.configuration;
}

test('adapters and switches with any name: in the summary, in a VM that is imported, in one that is defined anew', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const site = await hyperVSite(t, { disks: [{ name: 'os', sizeBytes: 8 * MiB }], switches });
  const { provider, vm, vmms } = site;
  const file = join(site.root, 'vms', 'web', 'vm.json');
  const document = vmState(JSON.parse(await readFile(file, 'utf8')), file);
  await writeFile(file, JSON.stringify({ ...document, networkAdapters: adapters }));
  const configuration = await configurationOf(provider, vm);
  assert.deepEqual(configuration.networkAdapters, adapters);

  const checkpoint = await checkpointOf(provider, vm);
  const { disks } = checkpoint;
  await provider.removeCheckpoint(checkpoint.id, quiet);
  for (const [name, files] of [
    ['imported', configuration.files],
    ['anew', []],
  ] as const) {
    for (const connectNetwork of [true, false]) {
      const definition = { name: `${name} ${connectNetwork}`, configuration: { ...configuration, files }, disks };
      const session = await provider.beginRestore({ ...definition, connectNetwork }, never);
      const { vmId } = await provider.commitRestore(session, quiet);
      const restored = (await provider.listVms(never)).find(({ id }) => id === vmId);
      assert.ok(restored !== undefined);
      const again = await configurationOf(provider, restored);
      const there = adapters.map((adapter) => (connectNetwork ? adapter : { ...adapter, switchName: null }));
      assert.deepEqual(again.networkAdapters, there, definition.name);
    }
  }
  assert.equal(vmms.counts.get('invoke DefinePlannedSystem'), 2);
  assert.deepEqual(vmms.leftovers(), []);
});
