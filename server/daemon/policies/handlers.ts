/** What each request about policies does. */
import * as protocol from '../../protocol/daemon.ts';
import type { AppliedPolicy, PolicyPlan } from '../../protocol/daemon.ts';
import type { OwnerId } from '../../protocol/ids.ts';
import type { RepositoryRegistry } from '../repositories.ts';
import type { RestorePoints } from '../restore-points.ts';
import type { RunManager } from '../runs/manager.ts';
import type { Register } from '../session.ts';
import type { ScheduleView } from './api.ts';
import { appliedPolicy } from './applied.ts';
import { acceptPolicy, checkText, findingsOf } from './check.ts';
import type { CheckedPolicy } from './check.ts';
import type { PolicyInventoryReader } from './inventory.ts';
import type { LastRuns } from './last-runs.ts';
import { makePlan, retentionOf } from './plan.ts';
import { policyPoints, policyPointsOrWarning } from './policy-points.ts';
import type { PolicyRegistry } from './registry.ts';
import type { Selections } from './selections.ts';

/** The parts of a daemon that requests about policies work with. */
export interface PolicyServices {
  readonly policies: PolicyRegistry;
  readonly policyInventory: PolicyInventoryReader;
  readonly selections: Selections;
  readonly lastRuns: LastRuns;
  /** Absent: nothing runs by schedule. */
  readonly schedule?: ScheduleView | undefined;
  readonly runs: RunManager;
  readonly restorePoints: RestorePoints;
  readonly repositories: RepositoryRegistry;
  /** The mark of this daemon. */
  readonly owner: OwnerId;
  /** The time that policies go by, ms since 1970. */
  readonly now: () => number;
}

/** How long a plan waits for hosts that were not heard of lately, ms. */
const hostPatienceMs = 5000;

/** Registers the requests about policies. */
export function registerPolicies(register: Register, services: PolicyServices): void {
  registerReading(register, services);
  registerChanges(register, services);
  registerUse(register, services);
}

function registerReading(register: Register, services: PolicyServices): void {
  const { policies } = services;
  register(protocol.listPolicies, async (_params, signal) => {
    const entry = await entries(services, signal);
    return { policies: policies.kept().map((kept) => entry(kept.name)) };
  });
  register(protocol.getPolicy, ({ name, version }) =>
    // What is applied is the newest version, and of a deleted policy the newest one is its text too.
    policies.text(name, version),
  );
  register(protocol.getPolicyHistory, ({ name }) => ({ versions: policies.history(name) }));
  register(protocol.checkPolicy, async ({ text }, signal) => ({
    findings: findingsOf(await checked(text, services, signal)),
  }));
}

function registerChanges(register: Register, services: PolicyServices): void {
  const { policies } = services;
  const entryOf = async (name: string, signal: AbortSignal): Promise<{ readonly policy: AppliedPolicy }> => ({
    policy: (await entries(services, signal))(name),
  });
  register(protocol.applyPolicy, async ({ text, by, source, expectedVersion }, signal) => {
    const policy = acceptPolicy(await checked(text, services, signal));
    const isNew = policies.apply({ text, policy, by, source, expectedVersion });
    return { ...(await entryOf(policy.name, signal)), ...(isNew ? {} : { unchanged: true }) };
  });
  register(protocol.rollBackPolicy, async ({ name, version, by }, signal) => {
    const { text, version: stored } = policies.text(name, version);
    const policy = acceptPolicy(await checked(text, services, signal));
    const isNew = policies.apply({ text, policy, by, source: stored.source, restored: version });
    return { ...(await entryOf(name, signal)), ...(isNew ? {} : { unchanged: true }) };
  });
  register(protocol.deletePolicy, ({ name, by }) => {
    policies.delete(name, by);
    return {};
  });
  register(protocol.pausePolicy, async ({ name, by, until }, signal) => {
    policies.pause(name, by, until);
    return entryOf(name, signal);
  });
  register(protocol.resumePolicy, async ({ name, by }, signal) => {
    const wasPaused = policies.resume(name, by);
    return { ...(await entryOf(name, signal)), ...(wasPaused ? {} : { unchanged: true }) };
  });
}

function registerUse(register: Register, services: PolicyServices): void {
  const { policies, runs } = services;
  register(protocol.planPolicy, async ({ text }, signal) => ({ plan: await plan(text, services, signal) }));
  register(protocol.previewRetention, async ({ name }, signal) => {
    const { policy } = policies.get(name);
    const made = await policyPoints(name, policy.repository, services, signal);
    return retentionOf(policy, made, services.now());
  });
  register(protocol.runPolicy, ({ name, type, key }) => {
    const { name: policy } = policies.get(name);
    const request = { kind: 'policy', policy, trigger: 'manual', ...(type === undefined ? {} : { type }) } as const;
    return { run: runs.start(request, key) };
  });
}

async function plan(text: string, services: PolicyServices, signal: AbortSignal): Promise<PolicyPlan> {
  const { policies, policyInventory, now } = services;
  const inventory = await policyInventory.afterAsking(hostPatienceMs, signal);
  const check = checkText(text, { now: now(), inventory, applied: policies.list() });
  const { name, repository } = acceptPolicy(check);
  const made = await policyPointsOrWarning(name, repository, services, signal);
  const base = policies.kept().find((kept) => kept.name === name);
  return makePlan({ checked: check, base, inventory, made, now: now() });
}

async function checked(text: string, services: PolicyServices, signal: AbortSignal): Promise<CheckedPolicy> {
  const inventory = await services.policyInventory.now(signal);
  return checkText(text, { now: services.now(), inventory, applied: services.policies.list() });
}

/** Makes entries of lists; what they have in common is read once. */
async function entries(services: PolicyServices, signal: AbortSignal): Promise<(name: string) => AppliedPolicy> {
  const { policies, policyInventory, selections, lastRuns, schedule } = services;
  const inventory = await policyInventory.now(signal);
  const now = services.now();
  return (name) => appliedPolicy(policies.getKept(name), { now, inventory, selections, lastRuns, schedule });
}
