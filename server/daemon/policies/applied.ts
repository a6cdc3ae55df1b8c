/** What lists show of an applied policy. */
import { policyTimezone } from '../../policy/index.ts';
import type { SelectEntry } from '../../policy/index.ts';
import type { AppliedPolicy, PolicyPause } from '../../protocol/daemon.ts';
import type { PolicyInventory } from '../../protocol/policy-inventory.ts';
import { hostsOf } from './hosts-of.ts';
import type { ScheduleView } from './api.ts';
import type { LastRuns } from './last-runs.ts';
import type { KeptPolicy } from './registry.ts';
import type { Selections } from './selections.ts';

/** What an entry is made of besides the policy. */
export interface AppliedSources {
  /** ms since 1970. */
  readonly now: number;
  readonly inventory: PolicyInventory;
  readonly selections: Selections;
  readonly lastRuns: LastRuns;
  readonly schedule: ScheduleView | undefined;
}

/** Limits of `appliedPolicy` in protocol/daemon. */
const maxProblems = 64;
const maxProblem = 4096;

/** The entry of a policy. */
export function appliedPolicy(kept: KeptPolicy, sources: AppliedSources): AppliedPolicy {
  const { inventory, selections, lastRuns, schedule, now } = sources;
  const { name, version, policy, repository, paused, lastSuccessAt } = kept;
  const vms = policy === undefined ? 0 : selections.count(policy, inventory);
  const lastRun = lastRuns.of(name);
  const nextRun = schedule?.nextRun(name);
  const pause = activePause(paused, now);
  return {
    name,
    ...(policy?.description === undefined ? {} : { description: policy.description }),
    repository,
    current: version,
    ...(pause === undefined ? {} : { paused: pause }),
    ...(policy === undefined ? {} : { timezone: policyTimezone(policy) }),
    vms,
    ...(nextRun === undefined ? {} : { nextRun }),
    ...(lastRun === undefined ? {} : { lastRun }),
    ...(lastSuccessAt === undefined ? {} : { lastSuccessAt }),
    problems: problemsOf(kept, vms, inventory)
      .slice(0, maxProblems)
      .map((text) => text.slice(0, maxProblem)),
  };
}

/** The pause, unless it is over. `now` in ms since 1970. */
export function activePause(pause: PolicyPause | undefined, now: number): PolicyPause | undefined {
  return pause?.until !== undefined && Date.parse(pause.until) <= now ? undefined : pause;
}

/** Why the policy cannot be carried out as it is. */
function problemsOf(kept: KeptPolicy, vms: number, inventory: PolicyInventory): readonly string[] {
  const { policy, problem, repository } = kept;
  if (policy === undefined) return [`${problem ?? ''} Apply it again from its file.`];
  const problems: string[] = [];
  if (!inventory.repositories.some(({ name }) => name === repository)) {
    problems.push(`There is no repository named ${repository}. Add it with \`tidemark repo init\`, or name another.`);
  }
  const gone = policy.select.filter((entry) => hostsOf(entry, inventory).length === 0);
  for (const { host } of gone) problems.push(`There is no host ${host}. Add it with \`tidemark host add\`.`);
  if (vms === 0 && gone.length < policy.select.length && allKnown(policy.select, inventory)) {
    problems.push('It takes in no VM.');
  }
  return [...new Set(problems)];
}

/** Whether every host that the selection names has listed its VMs: before that nothing can be said of them. */
function allKnown(select: readonly SelectEntry[], inventory: PolicyInventory): boolean {
  return select.every((entry) => hostsOf(entry, inventory).every(({ known }) => known));
}
