/** A disk of a recovery checkpoint, opened from its frozen files and held against what Hyper-V says of it. */
import { systemCode } from '../../../base/files.ts';
import { errorCodes, TidemarkError } from '../../../protocol/errors.ts';
import type { VmId } from '../../../protocol/ids.ts';
import type { FrozenDisk } from '../../../protocol/model.ts';
import { openVirtualDisk } from '../../../vhdx/index.ts';
import type { VirtualDisk } from '../../../vhdx/index.ts';
import type { AttachedDisk } from '../commands/index.ts';
import { hostPath, mayBeParent } from '../paths.ts';

/** A disk of a checkpoint: how it is attached, with its frozen file, and how the protocol describes it. */
export interface CheckpointDisk {
  readonly attached: AttachedDisk;
  readonly frozen: FrozenDisk;
}

/** The disks of a checkpoint that can be read, as Hyper-V describes them now. */
export interface CheckpointDisks {
  readonly vmId: VmId;
  readonly vmName: string;
  readonly disks: readonly CheckpointDisk[];
  /** What a backup of this checkpoint lacks, such as disks that the host cannot see. */
  readonly warnings: readonly string[];
}

/** What Windows says of a file that somebody else holds: a sharing violation, a lock, or missing rights. */
const heldCodes: readonly unknown[] = ['EBUSY', 'EPERM', 'EACCES'];

/** Whether opening a disk failed because Windows does not let the agent read the file now. */
export function isHeld(error: unknown): boolean {
  const cause: unknown = TidemarkError.is(error, errorCodes.invalidFile) ? error.cause : error;
  return heldCodes.includes(systemCode(cause));
}

/** Opens the chain of files that `path` ends. Throws `TM2112` for a path that is not opened or a disk that is another one, `TM1003` and `TM3001` to `TM3007` for unusable files. */
export async function openFrozenDisk(path: string, frozen: FrozenDisk): Promise<VirtualDisk> {
  await using undo = new AsyncDisposableStack();
  const disk = await openVirtualDisk(hostPath(path, 'disk'), { mayBeParent });
  undo.defer(() => disk.close());
  checkIdentity(disk, frozen);
  undo.move();
  return disk;
}

/** Throws `TM2112` unless the opened disk is the described one. */
function checkIdentity({ top, layers, path }: VirtualDisk, frozen: FrozenDisk): void {
  const differs = (what: string, is: unknown, told: unknown): TidemarkError =>
    new TidemarkError(
      errorCodes.hostStateInvalid,
      `The file ${path} is not the disk ${frozen.name} that Hyper-V describes: its ${what} is ${String(is)}, not ${String(told)}.`,
      { hint: 'The disk was replaced or changed while it was backed up. Run the backup again.' },
    );
  // An old VHD has no VirtualDiskId.
  if (top.diskId !== undefined && top.diskId !== frozen.id) throw differs('id', top.diskId, frozen.id);
  if (top.sizeBytes !== frozen.sizeBytes) throw differs('size', top.sizeBytes, frozen.sizeBytes);
  if (top.logicalSectorBytes !== frozen.logicalSectorBytes) {
    throw differs('sector size', top.logicalSectorBytes, frozen.logicalSectorBytes);
  }
  for (const [at, layer] of layers.entries()) {
    const child = layers[at - 1];
    // The differencing file of a checkpoint has the id of the disk it was made for; a disk that was made on a shared parent may have got its own.
    if (child === undefined || !child.file.path.toLowerCase().endsWith('.avhdx')) continue;
    if (layer.diskId !== child.diskId)
      throw differs(`parent ${layer.file.path} another disk, its id`, layer.diskId, child.diskId);
  }
}
