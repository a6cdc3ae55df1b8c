/** What of a frozen disk is to be read: what its files hold, or what Hyper-V says was written since a tracking id (`GetVirtualDiskChanges`). */
import { errorCodes, TidemarkError } from '../../../protocol/errors.ts';
import type { Extent, ExtentPage } from '../../provider.ts';

/** A page that is asked for, of a disk. Bytes. */
export interface PageRequest {
  readonly offset: number;
  readonly maxExtents: number;
  readonly sizeBytes: number;
  readonly sectorBytes: number;
}

/** What `Get-TidemarkChangedExtent` answers: `extents` alternates offset and length. */
export interface ChangeAnswer {
  readonly extents: readonly number[];
  readonly processedBytes: number;
}

/** The first `maxExtents` of ascending extents that do not overlap, from `offset` to the disk's end. */
export async function allocatedPage(extents: AsyncIterable<Extent>, request: PageRequest): Promise<ExtentPage> {
  const { offset, maxExtents, sizeBytes } = request;
  const page: Extent[] = [];
  let covered = offset;
  for await (const extent of extents) {
    if (extent.offset >= sizeBytes) break;
    if (page.length === maxExtents) return { extents: page, nextOffset: covered };
    covered = Math.min(extent.offset + extent.length, sizeBytes);
    page.push({ offset: extent.offset, length: covered - extent.offset });
  }
  return { extents: page };
}

/**
 * An answer about changes from `offset` on as a page: whole sectors, ascending, side by side ones joined, none past the disk's end. What an answer leaves out is
 * never read again, so one that contradicts itself or the question is refused with `TM2110`: the disk is then read in full.
 */
export function changedPage(answer: ChangeAnswer, request: PageRequest): ExtentPage {
  const { offset, maxExtents, sizeBytes, sectorBytes } = request;
  const processedEnd = offset + answer.processedBytes;
  if (processedEnd > sizeBytes) throw contradiction('it covers more than the disk');
  // What is covered of the last sector only is asked for again.
  const wholeEnd = processedEnd === sizeBytes ? sizeBytes : Math.floor(processedEnd / sectorBytes) * sectorBytes;
  if (wholeEnd <= offset) throw contradiction('it does not advance');
  const page: { readonly offset: number; length: number }[] = [];
  let covered = wholeEnd;
  let previousEnd = 0;
  for (const [start, length] of pairs(answer.extents)) {
    const end = start + length;
    if (length === 0) throw contradiction('it holds an empty range');
    if (start < previousEnd) throw contradiction('its ranges overlap or are out of order');
    if (end <= offset || start >= processedEnd) throw contradiction('it holds a range that was not asked for');
    previousEnd = end;
    const from = Math.max(offset, Math.floor(start / sectorBytes) * sectorBytes);
    const to = Math.min(sizeBytes, Math.ceil(end / sectorBytes) * sectorBytes);
    const last = page.at(-1);
    const lastEnd = last === undefined ? offset : last.offset + last.length;
    if (last !== undefined && from <= lastEnd) {
      last.length = Math.max(lastEnd, to) - last.offset;
    } else {
      if (page.length === maxExtents) return { extents: page, nextOffset: lastEnd };
      page.push({ offset: from, length: to - from });
    }
    covered = Math.max(wholeEnd, to);
  }
  return covered >= sizeBytes ? { extents: page } : { extents: page, nextOffset: covered };
}

function* pairs(extents: readonly number[]): Generator<readonly [number, number]> {
  if (extents.length % 2 !== 0) throw contradiction('it ends within a range');
  for (let at = 0; at + 1 < extents.length; at += 2) yield [extents[at] ?? 0, extents[at + 1] ?? 0];
}

function contradiction(what: string): TidemarkError {
  return new TidemarkError(
    errorCodes.trackingUnknown,
    `Hyper-V's answer about what changed on the disk makes no sense: ${what}.`,
    { hint: 'The disk is read in full this time. Look at the Hyper-V event logs of the host when it happens again.' },
  );
}
