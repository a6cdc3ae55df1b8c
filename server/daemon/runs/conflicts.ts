/** Which runs exclude each other. */
import { missedRuns } from '../../base/missed-runs.ts';
import type { PolicyRequest, RunRequest } from '../../protocol/daemon.ts';

/** Runs carried out at a time; the others wait in the order they came. The run of a policy only waits for runs of its own, and does not count. */
export const maxRunning = 4;
/** Backups at a time that name the same host: each takes a checkpoint there and reads its disks. */
export const maxBackupsPerHost = 2;

/** Verifications at a time: they read for hours, and must not keep backups and restores from beginning. */
export const maxVerifications = 2;

/** Counts what is being carried out, and says what may begin besides. */
export class RunSlots {
  #running = 0;
  #verifications = 0;
  readonly #onHost = new Map<string, number>();

  /** Whether a run of this kind may begin now. */
  isFree(request: RunRequest): boolean {
    if (request.kind === 'policy') return true;
    if (this.#running >= maxRunning) return false;
    if (request.kind === 'verify' && this.#verifications >= maxVerifications) return false;
    const host = hostOf(request);
    return host === undefined || (this.#onHost.get(host) ?? 0) < maxBackupsPerHost;
  }

  /** A run began. */
  take(request: RunRequest): void {
    if (request.kind === 'policy') return;
    this.#running += 1;
    if (request.kind === 'verify') this.#verifications += 1;
    const host = hostOf(request);
    if (host !== undefined) this.#onHost.set(host, (this.#onHost.get(host) ?? 0) + 1);
  }
}

/** The host that a backup loads; undefined for one that looks for its VM everywhere. */
function hostOf(request: RunRequest): string | undefined {
  return request.kind === 'backup' ? request.host : undefined;
}

/** What tells whether two requests name the same VM: the VM's id where the name is known. */
export type VmIdentity = (host: string | undefined, vm: string) => string | undefined;

/** Whether both are backups of one VM, as far as names tell. */
export function sameVm(a: RunRequest, b: RunRequest, identify: VmIdentity): boolean {
  if (a.kind !== 'backup' || b.kind !== 'backup') return false;
  const idA = identify(a.host, a.vm);
  const idB = identify(b.host, b.vm);
  if (idA !== undefined && idB !== undefined) return idA === idB;
  const sameHost = a.host === undefined || b.host === undefined || a.host === b.host;
  return sameHost && a.vm.toUpperCase() === b.vm.toUpperCase();
}

/** Whether both are runs of one policy. */
export function isSamePolicy(a: RunRequest, b: RunRequest): boolean {
  return a.kind === 'policy' && b.kind === 'policy' && a.policy === b.policy;
}

/** Whether `later` has to wait until `earlier` has ended. */
export function mustWait(later: RunRequest, earlier: RunRequest): boolean {
  // The run of a policy works through runs of its own, which wait for themselves.
  if (later.kind === 'policy' || earlier.kind === 'policy') return false;
  const a = repositoryOf(later);
  const b = repositoryOf(earlier);
  // A restore that names no repository may read any.
  if (a !== b && a !== undefined && b !== undefined) return false;
  if (isExclusive(later) || isExclusive(earlier)) return !areApart(later, earlier) && !areApart(earlier, later);
  return later.kind === 'gc' && earlier.kind === 'gc';
}

/** Whether `later` need not wait for `earlier` while that itself waits: who restores is not kept by a retention that waits for something long. */
export function overtakes(later: RunRequest, earlier: RunRequest): boolean {
  return earlier.kind === 'prune' && (later.kind === 'restore-disk' || later.kind === 'restore-vm');
}

/** Deleting is safe only while nobody writes or reads: a prune could take the base of a backup, a collection without grace its chunks. */
function isExclusive(request: RunRequest): boolean {
  return request.kind === 'prune' || (request.kind === 'gc' && request.now);
}

const guid = /^[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$/i;

/**
 * Whether the first deletes restore points and the second does not mind: it looks at the repository as it was when it began, whose data stays, or it
 * backs up a VM, named by its id, of which nothing is deleted.
 */
function areApart(prune: RunRequest, other: RunRequest): boolean {
  if (prune.kind !== 'prune') return false;
  if (other.kind === 'verify') return true;
  if (other.kind === 'gc') return !other.now;
  if (prune.vms === undefined || other.kind !== 'backup') return false;
  return guid.test(other.vm) && !prune.vms.some((vm) => vm === other.vm.toUpperCase());
}

/** The repository a request works on; undefined when it is found by the restore point or the policy only. */
export function repositoryOf(request: RunRequest): string | undefined {
  return request.kind === 'policy' ? undefined : request.repository;
}

type Titles = {
  readonly [K in RunRequest['kind']]: (request: Extract<RunRequest, { readonly kind: K }>) => string;
};

const dryRun = (request: { readonly dryRun: boolean }): string => (request.dryRun ? ' (dry run)' : '');

const triggers = { manual: '', schedule: ' (by schedule)', missed: ' (a run that was missed)' } as const;

function policyTitle(request: PolicyRequest): string {
  const missed = missedRuns(request);
  const { policy, trigger } = request;
  if (missed === undefined) return `Policy ${policy}${triggers[trigger]}`;
  return `Policy ${policy} (${trigger === 'schedule' ? 'by schedule, ' : ''}stands for ${missed.text})`;
}

const titles: Titles = {
  backup: ({ host, vm, vmName = vm, repository }) => `${host === undefined ? '' : `${host}/`}${vmName} → ${repository}`,
  'restore-disk': ({ restorePoint, disk, target }) => `${restorePoint} ${disk} → ${target}`.slice(0, 1024),
  'restore-vm': ({ restorePoint, host, name }) => `${restorePoint} → ${host}${name === undefined ? '' : `/${name}`}`,
  verify: ({ repository, readData, restorePoints, newOnly }) => {
    const points = restorePoints?.length;
    const what = points === undefined ? '' : `${points === 1 ? 'a restore point' : `${points} restore points`} in `;
    return `Verify ${what}${repository}${readData ? (newOnly === true ? ', new data' : ', all data') : ''}`;
  },
  prune: (request) =>
    request.keepLast === undefined
      ? `Retention of ${request.policy ?? 'all policies'} in ${request.repository}${dryRun(request)}`
      : `Prune ${request.repository} to ${request.keepLast} per VM${dryRun(request)}`,
  gc: (request) => `Collect garbage in ${request.repository}${dryRun(request)}`,
  policy: policyTitle,
};

/** What a run is about, for people. */
export function titleOf<K extends RunRequest['kind']>(request: Extract<RunRequest, { readonly kind: K }>): string {
  return titles[request.kind](request);
}
