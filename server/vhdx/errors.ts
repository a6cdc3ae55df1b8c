/** The errors of virtual disk files, worded alike. */
import { errorCodes, TidemarkError } from '../protocol/errors.ts';

/** `TM3002`: the file says something that cannot be. `what` completes "… is damaged: ". */
export function corrupt(path: string, what: string, cause?: unknown): TidemarkError {
  return new TidemarkError(errorCodes.diskCorrupt, `${path} is damaged: ${what}.`, {
    hint: 'Check the file with Test-VHD or qemu-img check, and take an undamaged copy of it.',
    cause,
  });
}

/** `TM3003`: the file ends before what it must hold. */
export function truncated(path: string, what: string): TidemarkError {
  return new TidemarkError(errorCodes.diskTruncated, `${path} is too short: ${what}.`, {
    hint: 'The file was probably copied only in part: copy it again from its origin.',
  });
}

/** `TM3004`: the file is in order, but uses what Tidemark does not know. */
export function unsupported(path: string, what: string): TidemarkError {
  return new TidemarkError(errorCodes.diskUnsupported, `${path} cannot be used: ${what}.`, {
    hint: 'Convert the disk with Convert-VHD or qemu-img convert, then use the converted file.',
  });
}

/** `TM3001`: the file is neither VHDX nor VHD. */
export function unknownFormat(path: string): TidemarkError {
  return new TidemarkError(errorCodes.diskFormatUnknown, `${path} is neither a VHDX nor a VHD file.`, {
    hint: 'Give the path of a .vhdx, .avhdx or .vhd file.',
  });
}

/** Throws `TM3008` unless `length` bytes at `offset` lie on a disk of `sizeBytes`. */
export function checkDiskRange(path: string, sizeBytes: number, offset: number, length: number): void {
  if (Number.isSafeInteger(offset) && offset >= 0 && offset + length <= sizeBytes) return;
  throw new TidemarkError(
    errorCodes.diskOutOfRange,
    `${length} bytes at byte ${offset} do not lie on the disk ${path} of ${sizeBytes} bytes.`,
    { hint: 'Use an offset and a length within the size of the disk.' },
  );
}

/** `TM3006`: `parent` is not the file that `child` was made on. */
export function parentMismatch(parent: string, child: string, what: string): TidemarkError {
  return new TidemarkError(
    errorCodes.diskParentMismatch,
    `${parent} is not the parent that ${child} was made on: ${what}.`,
    { hint: 'The parent was changed or replaced after the child was made: take both from one undamaged copy.' },
  );
}
