/** Times of the daemon's planner, with the check that comes before it. */
import { checkText } from '../../../server/daemon/policies/check.ts';
import { makePlan } from '../../../server/daemon/policies/plan.ts';
import { parsePolicy } from '../../../server/policy/index.ts';
import { restorePointInfo } from '../../../server/protocol/model.ts';
import type { RestorePointInfo } from '../../../server/protocol/model.ts';
import { ulid } from '../../../server/base/ulid.ts';
import { inventoryOf, policyText, vmId, vmName } from './world.ts';
import type { PolicyWorld } from './world.ts';

const dayMs = 86_400_000;
const now = Date.UTC(2026, 10, 28, 12);
/** Restore points that each VM has. */
const pointsPerVm = 10;

/** `each`: one plan of each policy. `all`: five plans of one that takes in every VM. ms. */
export function planTimes(world: PolicyWorld, what: 'each' | 'all'): readonly number[] {
  const inventory = inventoryOf(world);
  const applied = Array.from({ length: world.policies }, (_, n) => {
    const { policy } = parsePolicy(policyText(n, world));
    if (policy === undefined) throw new Error(`Policy ${n} of the bench is not valid.`);
    return { name: policy.name, policy };
  });
  const points = Array.from({ length: world.vms * pointsPerVm }, (_, n) => pointOf(n, world));
  const texts =
    what === 'each'
      ? applied.map((_, n) => policyText(n, world))
      : Array.from({ length: 5 }, () => policyText(0, world).replaceAll(/vms: \[.*\]/g, 'vms: ["*"]'));
  return texts.map((text, n) => {
    const own = what === 'all' ? points : points.filter(({ vmName: name }) => name.startsWith(department(n)));
    const started = performance.now();
    const checked = checkText(text, { now, inventory, applied });
    const made = { points: own, damaged: new Set<never>(), warnings: [] };
    const plan = makePlan({ checked, base: undefined, inventory, made, now });
    const took = performance.now() - started;
    if (plan.vms.length === 0 || plan.retention.length === 0) throw new Error(`The plan of policy ${n} is empty.`);
    return took;
  });
}

const department = (n: number): string => `dep${n.toString().padStart(4, '0')}-`;

function pointOf(n: number, world: PolicyWorld): RestorePointInfo {
  const vm = n % world.vms;
  const at = now - (Math.floor(n / world.vms) + 1) * dayMs;
  return restorePointInfo(
    {
      id: ulid(at),
      repository: 'main',
      vmId: vmId(vm),
      vmName: vmName(vm, world),
      host: 'hv00',
      createdAt: new Date(at).toISOString(),
      finishedAt: new Date(at + 60_000).toISOString(),
      type: 'incremental',
      consistency: 'application',
      disks: [],
      warnings: [],
      policy: 'department-0000',
    },
    '',
  );
}
