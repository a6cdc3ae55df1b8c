/** The hosts, VMs and repositories that fixtures are checked against. */
import { vmId } from '../../../server/protocol/ids.ts';
import type { InventoryDisk, InventoryVm, PolicyInventory } from '../../../server/protocol/policy-inventory.ts';

const gib = 2 ** 30;

/** The id of the world's VM number `n`. */
export const idOf = (n: number) => vmId(`00000000-0000-0000-0000-${n.toString().padStart(12, '0')}`, 'vmId');

const disk = (name: string, format: InventoryDisk['format'] = 'vhdx'): InventoryDisk => ({
  name,
  sizeBytes: 40 * gib,
  format,
  trackable: format === 'vhdx',
});

let count = 0;
function vm(host: string, name: string, disks: readonly InventoryDisk[], configVersion = '9.0'): InventoryVm {
  count += 1;
  return { host, id: idOf(count), name, state: 'running', configVersion, rctBlockers: [], disks };
}

/** Today is a Saturday. */
export const now = Date.UTC(2026, 10, 28, 12, 0);

export const world: PolicyInventory = {
  hosts: [
    { name: 'hv01', build: 20_348, known: true },
    { name: 'hv02', build: 20_348, known: true },
    { name: 'hv03', known: false },
    { name: 'hv04', build: 26_100, known: true },
    { name: 'hv16', build: 14_393, known: true },
  ],
  vms: [
    vm('hv01', 'sql-01', [disk('os'), disk('data'), disk('scratch1')]),
    vm('hv01', 'sql-02', [disk('os'), disk('data'), disk('scratch1')]),
    vm('hv01', 'sql-test1', [disk('os')]),
    vm('hv01', 'web-01', [disk('os')]),
    vm('hv01', 'old-01', [disk('os')], '5.0'),
    vm('hv01', '2024', [disk('os')]),
    vm('hv02', 'dc-01', [disk('os')]),
    vm('hv02', 'cluster-01', [disk('os'), disk('quorum', 'vhdset')]),
    vm('hv02', 'raw-01', [disk('os'), disk('lun7', 'passthrough'), disk('lun8', 'passthrough')]),
    vm('hv02', 'legacy-01', [disk('os', 'vhd')]),
    vm('hv16', 'file-01', [disk('os'), disk('scratch1')]),
    vm('hv16', 'file-02', [disk('os'), disk('scratch2')]),
  ],
  repositories: [
    { name: 'main', location: 'file:///backup/main' },
    { name: 'offsite', location: 's3://backup/offsite' },
  ],
};

/** The same without the host that has not told its VMs yet. */
export const told: PolicyInventory = { ...world, hosts: world.hosts.filter(({ known }) => known) };
