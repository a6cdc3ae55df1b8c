/** The sixteen things that no documentation says, and how each is settled by hand where the self-test cannot. */

/** One of them. */
export interface Topic {
  readonly number: number;
  readonly title: string;
  /** For what the self-test does not reach. */
  readonly procedure: string;
}

const guest =
  'Give --image FILE.vhdx with a disk from which a guest starts that writes to all its disks by itself, for instance by a scheduled task.';

export const topics: readonly Topic[] = [
  { number: 1, title: 'A full backup and three incrementals, compared byte by byte', procedure: guest },
  {
    number: 2,
    title: 'Form and life of tracking ids',
    procedure:
      'Note the tracking ids of a reference point, do what is in question to a test VM, take a recovery checkpoint and ask GetVirtualDiskChanges with the old id.',
  },
  {
    number: 3,
    title: 'Numbers of ReferencePointType',
    procedure: 'Call CreateReferencePoint with 0, 1 and 2 on a test VM and read ReferencePointType of what it makes.',
  },
  {
    number: 4,
    title: 'Application consistency of a VM whose guest cannot be asked',
    procedure:
      'Call CreateSnapshot with ConsistencyLevel 1 on a test VM that is off, saved, paused, and without integration services.',
  },
  {
    number: 5,
    title: 'Limits of GetVirtualDiskChanges',
    procedure: `Write to some 10,000 places of a disk between two checkpoints, and count the ranges of one call. ${guest}`,
  },
  {
    number: 6,
    title: 'Smallest changed range',
    procedure: `Write 512 bytes in a guest between two checkpoints, and look at the range. ${guest}`,
  },
  {
    number: 7,
    title: 'What happens to tracking when a disk is resized, compacted, converted, or written to beside it',
    procedure:
      'Change the disk of a test VM in that way between two checkpoints, ask for the changes since the first, and compare them with what was really changed.',
  },
  {
    number: 8,
    title: 'Files of a differential export',
    procedure:
      'Export a checkpoint of a test VM with DifferentialBackupBase, and look at names and parent locators of the disks.',
  },
  {
    number: 9,
    title: 'The object that holds the merge lock of a VM',
    procedure:
      'List Msvm_DiskMergeSettingData with InstanceID, and Get-CimAssociatedInstance of the VM with that result class.',
  },
  {
    number: 10,
    title: 'Reading a frozen disk with a plain open while the VM runs',
    procedure:
      'Open the frozen file of a checkpoint of a running test VM, and look whether its log has to be replayed.',
  },
  {
    number: 11,
    title: 'Destroying what is not there',
    procedure: 'Call DestroySnapshot and DestroyReferencePoint with an object that is gone.',
  },
  {
    number: 12,
    title: 'Reference points of a VM that was exported and imported again',
    procedure:
      'Export a test VM that has a reference point, remove it, import it with the same id, and list its reference points.',
  },
  {
    number: 13,
    title: 'Updates that end slow tracking, and the deletion of tracking files',
    procedure:
      'Measure the latency of a guest before and after its first backups, with and without the update. Try to delete the .rct file of a disk while its VM runs, and when it is off.',
  },
  {
    number: 14,
    title: 'What Server 2016 lacks',
    procedure: 'Run the self-test on Windows Server 2016 (build 14393).',
  },
  {
    number: 15,
    title: 'The lowest configuration version with tracking',
    procedure:
      'Make VMs with New-VM -Version 5.0, 6.2, 7.0 and 8.0, and take a checkpoint and a reference point of each.',
  },
  {
    number: 16,
    title: 'Tracking in Get-VHD and in SetVirtualDiskInformation',
    procedure:
      'Look for a property of tracking in Get-VHD | Format-List *. Call SetVirtualDiskInformation with version 6 (ChangeTrackingEnabled) on a disk of a running test VM.',
  },
];
