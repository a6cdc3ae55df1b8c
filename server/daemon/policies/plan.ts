/** What applying a text would do, worked out from what is known at one moment. */
import { createHash } from 'node:crypto';

import { hostNote } from '../../base/policy-inventory.ts';
import { nextRuns, policyChanges, policyTimezone, selectVms } from '../../policy/index.ts';
import type { Policy } from '../../policy/index.ts';
import type {
  NextRun,
  PlannedVm,
  PolicyPause,
  PolicyPlan,
  PolicyVersion,
  RetentionDecision,
} from '../../protocol/daemon.ts';
import type { RestorePointId } from '../../protocol/ids.ts';
import type { InventoryVm, PolicyInventory } from '../../protocol/policy-inventory.ts';
import { activePause } from './applied.ts';
import { acceptPolicy, findingsOf } from './check.ts';
import type { CheckedPolicy } from './check.ts';
import { hostsOf } from './hosts-of.ts';
import type { PolicyPoints } from './policy-points.ts';
import { boundDecisions, decideAll, maxDecisions, retentionDecision } from './retention.ts';

/** The applied version; its `policy` is undefined when this version of Tidemark cannot read it. */
export interface PlanBase {
  readonly version: PolicyVersion;
  readonly policy: Policy | undefined;
  /** Applying another version does not end it. */
  readonly paused?: PolicyPause | undefined;
}

/** What a plan is made of. */
export interface PlanInput {
  readonly checked: CheckedPolicy;
  /** Undefined: no policy of that name is applied. */
  readonly base: PlanBase | undefined;
  readonly inventory: PolicyInventory;
  /** What the policy made so far, in the repository that the text names. */
  readonly made: PolicyPoints;
  /** ms since 1970. */
  readonly now: number;
}

const shownRuns = 10;
/** Limits of `policyPlan` in protocol/daemon. */
const maxWarnings = 1024;
const maxWarning = 4096;
const maxChanges = 4096;

/** The plan. Throws `TM7001` with the first error when the text is not a policy. */
export function makePlan({ checked, base, inventory, made, now }: PlanInput): PolicyPlan {
  const policy = acceptPolicy(checked);
  const paused = activePause(base?.paused, now);
  const from = paused?.until === undefined ? now : Date.parse(paused.until);
  const vms = plannedVms(policy, base?.policy, inventory);
  const taken = new Set(vms.flatMap(({ change, vmId }) => (change === 'dropped' ? [] : [vmId])));
  // A run deletes restore points of the VMs that it has backed up, and of no others.
  const concerned = { ...made, points: made.points.filter(({ vmId }) => taken.has(vmId)) };
  const { decisions, warnings } = retentionOf(policy, concerned, now);
  const all = [
    ...baseWarnings(base),
    ...repositoryWarnings(base?.policy, policy),
    ...hostWarnings(policy, inventory),
    ...warnings,
  ];
  return {
    name: policy.name,
    timezone: policyTimezone(policy),
    sha256: createHash('sha256').update(checked.source.text, 'utf8').digest('hex'),
    ...(base === undefined ? {} : { base: base.version }),
    changes: base?.policy === undefined ? [] : policyChanges(base.policy, policy).slice(0, maxChanges),
    vms,
    ...(paused === undefined ? {} : { paused }),
    nextRuns: nextRuns(policy, from, shownRuns).map(nextRun),
    retention: decisions,
    ...(made.unknown === true && policy.retention !== undefined ? { retentionUnknown: true } : {}),
    findings: findingsOf(checked),
    warnings: all.slice(0, maxWarnings).map((text) => text.slice(0, maxWarning)),
  };
}

/** What the retention of a policy would do now, newest first, and what is to be known. */
export function retentionOf(
  policy: Policy,
  { points, damaged, warnings }: PolicyPoints,
  now: number,
): { readonly decisions: readonly RetentionDecision[]; readonly warnings: readonly string[] } {
  if (policy.retention === undefined) return { decisions: [], warnings };
  const pinned = new Set(points.flatMap(({ id, pinned: pin }) => (pin === undefined ? [] : [id])));
  const isPinned = (id: RestorePointId): boolean => pinned.has(id);
  const isDamaged = (id: RestorePointId): boolean => damaged.has(id);
  const decisions = decideAll(policy, points, { isPinned, isDamaged, now }).map(retentionDecision);
  if (decisions.length <= maxDecisions) return { decisions, warnings };
  const tooMany = `Only ${maxDecisions} of ${decisions.length} restore points are shown; those that go are among them first.`;
  return { decisions: boundDecisions(decisions), warnings: [...warnings, tooMany] };
}

function nextRun({ at, type }: { readonly at: number; readonly type: NextRun['type'] }): NextRun {
  return { at: new Date(at).toISOString(), type };
}

/** Those that the policy takes in, in the order of the inventory, then those that only the applied version takes in. */
function plannedVms(policy: Policy, before: Policy | undefined, inventory: PolicyInventory): readonly PlannedVm[] {
  const old = new Map((before === undefined ? [] : selectVms(before.select, inventory)).map((vm) => [vm.id, vm]));
  const taken = selectVms(policy.select, inventory);
  const ids = new Set(taken.map(({ id }) => id));
  const dropped = [...old.values()].filter(({ id }) => !ids.has(id));
  return [
    ...taken.map((vm) => plannedVm(vm, old.has(vm.id) ? 'kept' : 'new')),
    ...dropped.map((vm) => plannedVm(vm, 'dropped')),
  ];
}

function plannedVm({ host, id, name }: InventoryVm, change: PlannedVm['change']): PlannedVm {
  return { host, vmId: id, vm: name, change };
}

function baseWarnings(base: PlanBase | undefined): readonly string[] {
  if (base === undefined || base.policy !== undefined) return [];
  return [
    `Version ${base.version.version}, which is applied, cannot be read by this version of Tidemark, so nothing is compared with it.`,
  ];
}

/** Restore points do not move, and the retention looks only where the policy stores now. */
function repositoryWarnings(before: Policy | undefined, { repository, name }: Policy): readonly string[] {
  if (before === undefined || before.repository === repository) return [];
  return [
    `The next backups go to repository ${repository} and read everything again. What ${name} stored in ${before.repository} stays there until somebody deletes it.`,
  ];
}

/** Hosts whose VMs may have changed without our knowing. */
function hostWarnings(policy: Policy, inventory: PolicyInventory): readonly string[] {
  const named = new Set(policy.select.flatMap((entry) => hostsOf(entry, inventory)));
  return [...named].flatMap((host) => hostNote(host) ?? []);
}
