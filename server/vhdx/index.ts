/**
 * Virtual disk files: VHDX (MS-VHDX 8.0) for reading and writing, VHD for reading.
 *
 * All errors about a file are `TM3001` to `TM3009` with the file's path; what the operating system refuses while data
 * is read or written (a full or failing disk) comes as its own error.
 */
export { openVirtualDisk, VirtualDisk } from './chain.ts';
export type { OpenOptions } from './chain.ts';
export { createDifferencingVhdx, createVhdx } from './create.ts';
export type { NewVhdx } from './create.ts';
export { parseGuid } from './guid.ts';
export type { Guid } from './guid.ts';
export { readVhdxInfo, settleVhdx } from './info.ts';
export type { VhdxInfo } from './info.ts';
export type { Extent } from './layer.ts';
export type { FilePiece } from './layout.ts';
export { mergeIntoParent } from './merge.ts';
export { planVhdx } from './plan.ts';
export type { VhdxPlan, VhdxPlanRequest } from './plan.ts';
export { openVhdxWriter, VhdxWriter } from './writer.ts';
export type { WriterOptions } from './writer.ts';
