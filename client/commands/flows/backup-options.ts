/** What a backup from the editor asks the daemon for. */
import type { BackupRequest, RunInfo } from '../../../server/protocol/daemon.ts';
import type { VmTarget } from '../../targets.ts';

/** The request for one VM. */
export function backupRequest(vm: VmTarget, repository: string, type: BackupRequest['type']): BackupRequest {
  return {
    kind: 'backup',
    host: vm.host,
    // By id: a name may have been given to another VM since the tree was read.
    vm: vm.vmId,
    repository,
    type,
    consistency: 'application-or-crash',
    excludeDisks: [],
  };
}

/** Each VM once, in the order in which they were chosen. */
export function distinctVms(vms: readonly VmTarget[]): readonly VmTarget[] {
  return [...new Map(vms.map((vm) => [`${vm.host}/${vm.vmId}`, vm])).values()];
}

/** The run that backs `vm` up now. */
export function activeBackupOf(vm: VmTarget, active: readonly RunInfo[]): RunInfo | undefined {
  return active.find(({ request }) => {
    if (request.kind !== 'backup') return false;
    if (request.host !== undefined && request.host !== vm.host) return false;
    return request.vm === vm.vmId || request.vm === vm.vmName;
  });
}

/** The repository to use without asking: the only one. */
export function onlyRepository(names: readonly string[]): string | undefined {
  return names.length === 1 ? names[0] : undefined;
}
