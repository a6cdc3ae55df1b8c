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

/** The repository a request works on; undefined when it is found by the restore point only. */
export function repositoryOf(request: RunRequest): string | undefined {
  return request.repository;
}

/** What a run is about, for people. */
export function titleOf(request: RunRequest): string {
  switch (request.kind) {
    case 'backup':
      return `${request.host === undefined ? '' : `${request.host}/`}${request.vm} → ${request.repository}`;
    case 'restore-disk':
      return `${request.restorePoint} ${request.disk} → ${request.target}`.slice(0, 1024);
    case 'restore-vm':
      return `${request.restorePoint} → ${request.host}${request.name === undefined ? '' : `/${request.name}`}`;
    case 'verify':
      return `Verify ${request.repository}${request.readData ? ', all data' : ''}`;
    case 'prune':
      return `Prune ${request.repository} to ${request.keepLast} per VM${request.dryRun ? ' (dry run)' : ''}`;
    case 'gc':
      return `Collect garbage in ${request.repository}${request.dryRun ? ' (dry run)' : ''}`;
  }
}
