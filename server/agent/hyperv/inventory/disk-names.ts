/** Names of disks for people: those of their files, told apart by the place where two are the same. */
import type { AttachedDisk } from '../commands/index.ts';
import { safeName } from '../paths.ts';

const maxNameLength = 96;
/** What Hyper-V appends to the name of a disk for each checkpoint. */
const checkpointSuffix = /(?:_[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})+$/i;
const diskExtension = /\.(?:a?vhdx?|vhds|vhdpmem|avhdpmem)$/i;

/** Where a disk is attached: `SCSI 0:1`, as Hyper-V's tools say it. */
export function slotText({ controller, controllerNumber, location }: AttachedDisk): string {
  return `${controller} ${controllerNumber}:${location}`;
}

/** The names of the disks of one VM, in order. The same disks get the same names at each call, whatever checkpoints there are. */
export function diskNames(disks: readonly AttachedDisk[]): readonly string[] {
  const plain = disks.map(plainName);
  const withSlot = new Set<number>();
  for (;;) {
    const names = plain.map((name, at) => (withSlot.has(at) ? `${name}-${slotName(disks[at])}` : name));
    const same = collisions(names).filter((at) => !withSlot.has(at));
    if (same.length === 0) return numbered(names);
    for (const at of same) withSlot.add(at);
  }
}

function plainName(disk: AttachedDisk): string {
  if (disk.kind === 'physical') return `passthrough-${slotName(disk)}`;
  const file = disk.path.split(/[\\/]/).at(-1) ?? '';
  const name = file.replace(diskExtension, '').replace(checkpointSuffix, '');
  return name === '' ? 'disk' : safeName(name, maxNameLength);
}

function slotName(disk: AttachedDisk | undefined): string {
  return disk === undefined ? '' : `${disk.controller}${disk.controllerNumber}-${disk.location}`.toLowerCase();
}

/** The places of names that are not alone; file systems of Windows do not tell cases apart. */
function collisions(names: readonly string[]): readonly number[] {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name.toLowerCase(), (counts.get(name.toLowerCase()) ?? 0) + 1);
  return names.flatMap((name, at) => ((counts.get(name.toLowerCase()) ?? 0) > 1 ? [at] : []));
}

/** Two disks that say they are at one place get numbers: names must be unique whatever Hyper-V answers. */
function numbered(names: readonly string[]): readonly string[] {
  const seen = new Set<string>();
  return names.map((name) => {
    let unique = name;
    for (let count = 2; seen.has(unique.toLowerCase()); count++) unique = `${name}-${count}`;
    seen.add(unique.toLowerCase());
    return unique;
  });
}
