/** What to do about an error of Hyper-V, by its code. */
import { errorCodes } from '../../../protocol/errors.ts';
import type { ErrorCode } from '../../../protocol/errors.ts';

const e = errorCodes;

const hints: Readonly<Partial<Record<ErrorCode, string>>> = {
  [e.vmNotFound]: 'The VM may have been moved to another host, or deleted.',
  [e.checkpointNotFound]: 'Start the backup again.',
  [e.checkpointFailed]:
    'Look into the log "Hyper-V-VMMS" of the host. Moving or restarting the VM, or restarting the service "Hyper-V Virtual Machine Management", often helps.',
  [e.consistencyUnavailable]:
    'Look into the Application log of the guest, repair VSS there, or allow the consistency "crash".',
  [e.referencePointNotFound]: 'The next backup is full by itself.',
  [e.trackingUnknown]: 'The disk is read in full by itself.',
  [e.hostDiskFull]: 'Make space on the disk of the host. Checkpoints that are not needed grow until they are removed.',
  [e.vmWrongState]: 'Look at the VM in Hyper-V Manager.',
  [e.diskFormatUnknown]: 'Look at the disk in Hyper-V Manager.',
  [e.hypervUnavailable]:
    'Install the Hyper-V role, and run the agent as a service under LocalSystem or an elevated administrator.',
  [e.powerShellFailed]: "Look into the agent's log.",
  [e.hostNotAnswering]:
    'Look at the service "Hyper-V Virtual Machine Management" (vmms) and the event log of the host.',
  [e.hypervServiceLost]: 'Start it again when the service "Hyper-V Virtual Machine Management" (vmms) runs.',
  [e.hypervAccessDenied]:
    "Run the agent as LocalSystem or as a member of Hyper-V Administrators. For files on a share, give rights to the host's computer account.",
  [e.hypervOperationFailed]: 'Look into the log "Hyper-V-VMMS" of the host.',
  [e.hypervUnsupported]: 'A newer Windows, or a newer configuration version of the VM, may have it.',
  [e.operationStalled]: 'Look at the load of the host and at VSS in the guest, then start it again.',
  [e.outcomeUnknown]: 'Start the backup again: it removes what was left behind.',
  [e.mergeFailed]:
    'Make space on the disk of the host, end what holds the files, and shut the VM down once: Hyper-V merges then. Delete no .avhdx file by hand.',
  [e.checkpointHold]:
    'Do not restart, migrate or checkpoint the VM: it would go back to an old disk. Export it, or copy its data, while it runs.',
  [e.hostFileInUse]: 'Exclude the folders of the VM from antivirus, and end other backups of the VM.',
  [e.hostFileMissing]: 'Look at the disks of the VM in Hyper-V Manager; their storage may be offline.',
  [e.hostStorageLost]:
    'Bring the storage back first. Before the VM is restarted, make sure that no .avhdx file of it waits for a merge.',
  [e.hostFileSystemLimit]:
    'The file is in too many pieces, or its storage lies on a disk inside itself. Move the disk to another volume (ReFS, or NTFS formatted with /L), or defragment it.',
  [e.exportTargetUnusable]: "Choose an empty folder, and give the host's computer account the right to write there.",
  [e.logonRightMissing]:
    'Give "NT VIRTUAL MACHINE\\Virtual Machines" the right "Log on as a service" in the group policy. "gpupdate /force" helps for a while.',
  [e.notOwnObject]: 'Remove it with the program that made it.',
  [e.vmOperationRunning]: 'Wait until the operation is done; Hyper-V Manager shows it.',
};

/** The usual hint of a code; undefined for one that says itself what to do. */
export function hintOf(code: ErrorCode): string | undefined {
  return hints[code];
}
