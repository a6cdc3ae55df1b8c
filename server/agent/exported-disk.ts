/** What providers have in common in serving the disks of an export. */
import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import type { ExportId } from '../protocol/ids.ts';
import type { DiskReader } from './provider.ts';

/** A disk of an export. */
export interface ExportedDisk {
  readonly sizeBytes: number;
  /** Why nothing can be read any more; undefined while the export is open. */
  readonly ended: () => TidemarkError | undefined;
  /** Called before each read. */
  readonly step: () => void;
  readonly read: (target: Uint8Array, offset: number) => Promise<void>;
}

/** A reader of a frozen disk whose open files belong to the export: closing the reader closes none of them. */
export function exportedDiskReader(exportId: ExportId, { sizeBytes, ended, step, read }: ExportedDisk): DiskReader {
  let closed = false;
  const close = async (): Promise<void> => {
    closed = true;
  };
  const check = (): void => {
    const why = ended() ?? (closed ? exportNotFound(exportId) : undefined);
    if (why !== undefined) throw why;
  };
  return {
    sizeBytes,
    read: async (target, offset) => {
      check();
      step();
      try {
        await read(target, offset);
      } catch (error) {
        throw ended() ?? error;
      }
      // A merge may have begun while the bytes were read.
      const why = ended();
      if (why !== undefined) throw why;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** The error of an export that is not open (any more). */
export function exportNotFound(id: ExportId): TidemarkError {
  return new TidemarkError(errorCodes.exportNotFound, `There is no open export ${id}.`, {
    hint: 'It was closed, or the agent was restarted: start the backup again.',
  });
}
