/** Why RCT cannot be used on a VM, in words that say what to do (docs/hyperv.md has the whole table). */
import type { HypervHost, HypervVm } from '../commands/index.ts';
import { generationOf } from './describe.ts';
import type { VmDisk } from './describe.ts';

/** First build with RCT: Windows Server 2016. */
const firstBuild = 14_393;
/** Lowest configuration version whose VMs RCT works on. */
const firstVersion = [6, 2] as const;
const maxDisks = 256;
const longestDiskText = 120;

const replicaRoles: ReadonlyMap<number, string> = new Map([
  [2, 'It is a replica'],
  [3, 'It is the test copy of a replica'],
  [4, 'It is an extended replica'],
]);

/** One sentence or two for each reason; empty when RCT can be used. */
export function rctBlockers(vm: HypervVm, disks: readonly VmDisk[], host: HypervHost): readonly string[] {
  const reasons: string[] = [];
  if (host.build < firstBuild) {
    reasons.push(
      `Windows build ${host.build} has no change tracking. It needs Windows Server 2016 (build ${firstBuild}) or later.`,
    );
  }
  const [major = 0, minor = 0] = vm.version.split('.').map(Number);
  if (!(major > firstVersion[0] || (major === firstVersion[0] && minor >= firstVersion[1]))) {
    reasons.push(
      `The configuration version ${vm.version} is below ${firstVersion.join('.')}. Shut the VM down and upgrade it with Update-VMVersion.`,
    );
  }
  const role = replicaRoles.get(vm.replicationMode);
  if (role !== undefined) {
    reasons.push(`${role} of Hyper-V Replica, which owns its disks. Back up the primary VM on its own host instead.`);
  }
  if (disks.length > maxDisks) reasons.push(`It has ${disks.length} disks, and at most ${maxDisks} can be backed up.`);
  for (const disk of disks) reasons.push(...diskReasons(disk));
  reasons.push(...sameIds(disks));
  if (!disks.some(isReadable)) {
    reasons.push(
      `It has no virtual disk that a host can read (generation ${generationOf(vm)}), so there is nothing to back up.`,
    );
  }
  return reasons;
}

/** Whether a checkpoint can freeze the disk and the agent read it. */
export function isReadable({ attached, described }: VmDisk): boolean {
  return attached.kind === 'virtual' && described.facts !== undefined;
}

function diskReasons({ attached, name, described }: VmDisk): readonly string[] {
  if (attached.kind === 'physical') return [];
  const disk = name.slice(0, longestDiskText);
  if (described.facts?.format === 'vhdset' || /\.vhds$/i.test(attached.path)) {
    return [`The disk ${disk} is a VHD Set, which is not supported. Back it up from within the guest cluster.`];
  }
  if (attached.shared) {
    return [
      `The disk ${disk} is shared between VMs, which hosts cannot back up. Back it up from within the guest cluster.`,
    ];
  }
  if (described.facts !== undefined) return [];
  return [`The disk ${disk} cannot be read: ${described.reason} Check its file and its parents on the host.`];
}

function sameIds(disks: readonly VmDisk[]): readonly string[] {
  const seen = new Map<string, VmDisk>();
  const reasons: string[] = [];
  for (const disk of disks) {
    const first = seen.get(disk.id);
    seen.set(disk.id, first ?? disk);
    if (first === undefined) continue;
    const names = `${first.name.slice(0, longestDiskText)} and ${disk.name.slice(0, longestDiskText)}`;
    reasons.push(
      `The disks ${names} have the same VirtualDiskId. Give one a new id with Set-VHD -ResetDiskIdentifier.`,
    );
  }
  return reasons;
}
