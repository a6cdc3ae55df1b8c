/** Which VMs a run of a policy backs up: asked of the hosts now, and of those that do not answer, what is known from before. */
import { matchesGlob } from '../../../base/glob.ts';
import { entryTakes, isLivelier, isPattern } from '../../../policy/index.ts';
import type { Policy } from '../../../policy/index.ts';
import type { VmId } from '../../../protocol/ids.ts';
import type { VmState } from '../../../protocol/model.ts';
import type { StoredRestorePoint } from '../../../repository/index.ts';
import type { VmListing } from '../../inventory.ts';

/** A VM to back up. */
export interface Target {
  readonly host: string;
  readonly id: VmId;
  readonly name: string;
}

interface Candidate extends Target {
  readonly state: VmState;
}

/** What a policy takes in. */
export interface Targets {
  readonly vms: readonly Target[];
  /** Hosts that do not answer and of which no VM is known: what of them is missing, nobody can say. */
  readonly unknownHosts: readonly string[];
  /** What the policy names and nobody has. */
  readonly missing: readonly string[];
  /** VMs that are on more than one host at once, as a replica and its original are: one of them is backed up. Sentences. */
  readonly doubles: readonly string[];
}

/**
 * `listing` has the VMs of each host, also of those that do not answer if they did before. What is not known of a host that has not answered since
 * the daemon started, the restore points tell that the policy made before.
 */
export function targetsOf(
  policy: Pick<Policy, 'name' | 'select'>,
  listing: VmListing,
  points: readonly StoredRestorePoint[],
): Targets {
  const silent = new Set(listing.unreachable.map(({ host }) => host));
  const listed = listing.vms.map(({ host, vm }): Candidate => ({
    host,
    id: vm.id,
    name: vm.name,
    state: vm.state,
  }));
  // A VM that moved is where a host says now that it is.
  const current = listed.filter(({ host }) => !silent.has(host));
  const before = listed.filter(({ host }) => silent.has(host));
  const listedBefore = new Set(before.map(({ id }) => id));
  const fromPoints = backedUp(policy, points, silent).filter(({ id }) => !listedBefore.has(id));
  const vms = select(policy, [...current, ...before, ...fromPoints], current);
  const known = new Set([...before, ...vms].map(({ host }) => host));
  return {
    vms,
    unknownHosts: [...silent]
      .filter((host) => !known.has(host) && policy.select.some((entry) => matchesGlob(entry.host, host)))
      .toSorted(),
    missing: missingNames(policy, vms, listing),
    doubles: doublesOf(policy, vms, current),
  };
}

function select(
  { select: entries }: Pick<Policy, 'select'>,
  candidates: readonly Candidate[],
  current: readonly Candidate[],
): readonly Target[] {
  // One that a host has now and the policy does not take in there is not taken in for where it was before either, unless what is there now is off and
  // ran where nobody answers: as a replica does, which must not stand in for its original unnoticed.
  const elsewhere = livelier(current);
  const found = new Map<string, Candidate>();
  for (const [index, vm] of candidates.entries()) {
    const others = [found.get(vm.id), index < current.length ? undefined : elsewhere.get(vm.id)];
    if (others.some((other) => other !== undefined && !isLivelier(vm, other))) continue;
    if (entries.some((entry) => entryTakes(entry, vm))) found.set(vm.id, vm);
  }
  return [...found.values()].toSorted((a, b) => compare(a.host, b.host) || compare(a.name, b.name));
}

/** By id, where each runs. */
function livelier(vms: readonly Candidate[]): ReadonlyMap<string, Candidate> {
  const found = new Map<string, Candidate>();
  for (const vm of vms) {
    const other = found.get(vm.id);
    if (other === undefined || isLivelier(vm, other)) found.set(vm.id, vm);
  }
  return found;
}

/** VMs whose newest restore point of the policy is from a host that does not answer. */
function backedUp(
  { name }: Pick<Policy, 'name'>,
  points: readonly StoredRestorePoint[],
  silent: ReadonlySet<string>,
): readonly Candidate[] {
  if (silent.size === 0) return [];
  const newest = new Map<string, Candidate>();
  // What it does there nobody can say: that it is off is not known. Oldest first, so that the newest stays.
  for (const { policy, vmId, vmName, host } of points) {
    if (policy === name) newest.set(vmId, { host, id: vmId, name: vmName, state: 'other' });
  }
  return [...newest.values()].filter(({ host }) => silent.has(host));
}

/** Names that are no patterns, of hosts that answered, and that nothing was found for. */
function missingNames(policy: Pick<Policy, 'select'>, vms: readonly Target[], listing: VmListing): readonly string[] {
  const hosts = listing.hosts.map(({ host }) => host);
  return policy.select.flatMap((entry) => {
    if (!hosts.some((host) => matchesGlob(entry.host, host))) return [`There is no host ${entry.host}.`];
    return entry.vms
      .filter((name) => !isPattern(name) && !vms.some((vm) => entryTakes({ ...entry, vms: [name], exclude: [] }, vm)))
      .map((name) => `No VM ${name} was found on ${entry.host}.`);
  });
}

/** Of those that the policy takes in on each of their hosts. */
function doublesOf(
  { select: entries }: Pick<Policy, 'select'>,
  vms: readonly Target[],
  current: readonly Target[],
): readonly string[] {
  const chosen = new Map(vms.map((vm) => [vm.id, vm]));
  return current.flatMap((other) => {
    const vm = chosen.get(other.id);
    if (vm === undefined || vm.host === other.host || !entries.some((entry) => entryTakes(entry, other))) return [];
    return `VM ${other.name} on ${other.host} has the same id as ${vm.name} on ${vm.host}, and was not backed up.`;
  });
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
