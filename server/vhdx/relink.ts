/** Preparing a differencing disk for a merge: MS-VHDX 2.6.2.6.3, parent_linkage2. */
import { corrupt } from './errors.ts';
import { newGuid } from './guid.ts';
import type { Guid } from './guid.ts';
import { logSectorBytes } from './log-entry.ts';
import { encodeItemPlace, placeParentLocator } from './metadata.ts';
import { encodeParentLocator } from './parent-locator.ts';
import type { VhdxFile } from './vhdx-file.ts';
import { openVhdxWriter } from './writer.ts';

/**
 * Makes the differencing disk at `path` accept its parent under one more DataWriteGuid, durably, and returns that GUID:
 * the parent may take it on when it is written, and the chain opens before and after. Done again it returns the same.
 */
export async function prepareMerge(path: string): Promise<Guid> {
  await using writer = await openVhdxWriter(path);
  let guid: Guid | undefined;
  await writer.changeMetadata(async (file) => {
    const { parent } = file.structures.metadata;
    if (parent === undefined) throw corrupt(path, 'it has no parent to be merged into');
    guid = parent.linkage2;
    if (guid !== undefined) return;
    guid = newGuid();
    await replaceLocator(file, encodeParentLocator({ ...parent, linkage2: guid }));
  });
  if (guid === undefined) throw corrupt(path, 'its parent locator could not be changed');
  return guid;
}

async function replaceLocator(file: VhdxFile, locator: Buffer): Promise<void> {
  const { regions, items } = file.structures;
  const item = placeParentLocator(items, regions.metadata, locator.length);
  if (item === undefined) throw corrupt(file.file.path, 'its metadata has no room for a parent locator');
  const place = encodeItemPlace(item.index, item.offset, item.length);
  await patch(file, regions.metadata.offset + item.offset, locator);
  await patch(file, regions.metadata.offset + place.at, place.data);
}

/** Changes bytes of the file through its log. */
async function patch(file: VhdxFile, position: number, data: Buffer): Promise<void> {
  for (let done = 0; done < data.length;) {
    const at = (position + done) % logSectorBytes;
    const sector = await file.sectors.change(position + done - at);
    done += data.copy(sector, at, done);
  }
}
