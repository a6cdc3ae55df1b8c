/** Many VMs and many policies, as editor and daemon give them to the checks. */
import { policyInventory } from '../../../server/protocol/policy-inventory.ts';
import type { PolicyInventory } from '../../../server/protocol/policy-inventory.ts';

export interface PolicyWorld {
  readonly hosts: number;
  readonly vms: number;
  readonly policies: number;
}

const two = (n: number): string => n.toString().padStart(2, '0');
const four = (n: number): string => n.toString().padStart(4, '0');

export const vmId = (n: number): string => `00000000-0000-0000-0000-${n.toString(16).toUpperCase().padStart(12, '0')}`;

/** VM n is called after its department, of which there are as many as policies. */
export const vmName = (n: number, { policies }: PolicyWorld): string => `dep${four(n % policies)}-vm${four(n)}`;

export function inventoryOf(world: PolicyWorld): PolicyInventory {
  const { hosts, vms } = world;
  const host = (n: number): string => `hv${two(n)}`;
  return policyInventory(
    {
      hosts: Array.from({ length: hosts }, (_, n) => ({ name: host(n), build: 20348, known: true })),
      vms: Array.from({ length: vms }, (_, n) => ({
        host: host(n % hosts),
        id: vmId(n),
        name: vmName(n, world),
        state: 'running',
        configVersion: '10.0',
        rctBlockers: [],
        disks: ['os', 'data', 'scratch'].map((name) => ({
          name,
          sizeBytes: 64 * 1024 ** 3,
          format: 'vhdx',
          trackable: true,
        })),
        lastBackupAt: '2026-11-28T01:00:00Z',
      })),
      repositories: [{ name: 'main', location: '/srv/backup' }],
    },
    '',
  );
}

/** Policy n takes in the VMs of department n on all hosts; every tenth also those of the next one, at another hour. */
export function policyText(n: number, { policies }: PolicyWorld): string {
  const departments = n % 10 === 0 ? [n, (n + 1) % policies] : [n];
  const select = departments.map((d) => `  - host: "hv*"\n    vms: [dep${four(d)}-*]\n    exclude: ["*-test*"]\n`);
  return `name: department-${four(n)}
description: Department ${n}, every night
repository: main
timezone: Europe/Warsaw
select:
${select.join('')}disks:
  exclude: [scratch*]
consistency: application-or-crash
schedule:
  - cron: "${n % 60} ${n % 5} * * MON-SAT"
    type: incremental
  - cron: "${n % 60} ${n % 5} * * SUN"
    type: full
window: { from: "22:00", to: "06:00" }
retention: { keepLast: 3, keepDaily: 14, keepWeekly: 8, keepMonthly: 12, keepYearly: 3 }
retry: { attempts: 3, delay: 10m }
verify: after-backup
`;
}
