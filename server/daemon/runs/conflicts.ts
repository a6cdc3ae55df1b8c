/** Which runs exclude each other. */
import type { RunRequest } from '../../protocol/daemon.ts';

/** Runs carried out at a time; the others wait in the order they came. */
export const maxRunning = 4;

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

/** Whether `later` has to wait until `earlier` has ended. */
export function mustWait(later: RunRequest, earlier: RunRequest): boolean {
  // The run of a policy works through runs of its own, which wait for themselves.
  if (later.kind === 'policy' || earlier.kind === 'policy') return false;
  const a = repositoryOf(later);
  const b = repositoryOf(earlier);
  // A restore that names no repository may read any.
  if (a !== b && a !== undefined && b !== undefined) return false;
  if (isExclusive(later) || isExclusive(earlier)) return true;
  return later.kind === 'gc' && earlier.kind === 'gc';
}

/** Deleting is safe only while nobody writes or reads: a prune could take the base of a backup, a collection without grace its chunks. */
function isExclusive(request: RunRequest): boolean {
  return request.kind === 'prune' || (request.kind === 'gc' && request.now);
}

/** The repository a request works on; undefined when it is found by the restore point or the policy only. */
export function repositoryOf(request: RunRequest): string | undefined {
  return request.kind === 'policy' ? undefined : request.repository;
}

type Titles = {
  readonly [K in RunRequest['kind']]: (request: Extract<RunRequest, { readonly kind: K }>) => string;
};

const dryRun = (request: { readonly dryRun: boolean }): string => (request.dryRun ? ' (dry run)' : '');

const titles: Titles = {
  backup: ({ host, vm, repository }) => `${host === undefined ? '' : `${host}/`}${vm} → ${repository}`,
  'restore-disk': ({ restorePoint, disk, target }) => `${restorePoint} ${disk} → ${target}`.slice(0, 1024),
  'restore-vm': ({ restorePoint, host, name }) => `${restorePoint} → ${host}${name === undefined ? '' : `/${name}`}`,
  verify: ({ repository, readData }) => `Verify ${repository}${readData ? ', all data' : ''}`,
  prune: (request) =>
    request.keepLast === undefined
      ? `Retention of ${request.policy ?? 'all policies'} in ${request.repository}${dryRun(request)}`
      : `Prune ${request.repository} to ${request.keepLast} per VM${dryRun(request)}`,
  gc: (request) => `Collect garbage in ${request.repository}${dryRun(request)}`,
  policy: ({ policy }) => `Policy ${policy}`,
};

/** What a run is about, for people. */
export function titleOf<K extends RunRequest['kind']>(request: Extract<RunRequest, { readonly kind: K }>): string {
  return titles[request.kind](request);
}
