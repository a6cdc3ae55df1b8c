/**
 * What Windows and Hyper-V mean by their numbers (docs/hyperv.md; `winerror.h`, `vsserror.h`, `wbemcli.h`). The messages that come with them
 * are translated and say little; the numbers are the same everywhere.
 */
import { errorCodes } from '../../../protocol/errors.ts';
import type { ErrorCode } from '../../../protocol/errors.ts';

/** What a number means. */
export interface Meaning {
  readonly code: ErrorCode;
  /** A part of a sentence: `the disk of the host is full`. */
  readonly says: string;
  /** When the usual hint of the code does not fit. */
  readonly hint?: string | undefined;
  /** Trying again, a few times and after a pause, may help: something passing is in the way. */
  readonly retry?: boolean;
}

const e = errorCodes;
const fullRead = 'The disk is read in full by itself.';
const corruptHint =
  'Nothing is removed. Restore the disk from a restore point, or look at it with Test-VHD on the host.';
const chainHint =
  'Nothing is removed or merged. Look at the chain with Get-VHD on the host, and bring the missing or the right file back.';

function meaning(code: ErrorCode, says: string, more: { hint?: string; retry?: boolean } = {}): Meaning {
  return { code, says, ...more };
}

const tracking = (says: string, more: { hint?: string; retry?: boolean } = {}): Meaning =>
  meaning(e.trackingUnknown, says, { hint: fullRead, ...more });
const chain = (code: ErrorCode, says: string): Meaning => meaning(code, says, { hint: chainHint });
const corrupt = (says: string): Meaning => meaning(e.diskCorrupt, says, { hint: corruptHint });
const unsupported = (says: string, hint: string): Meaning => meaning(e.diskUnsupported, says, { hint });
const serviceLost = (says: string): Meaning => meaning(e.hypervServiceLost, says, { retry: true });
const vss = (says: string, retry = false): Meaning => meaning(e.consistencyUnavailable, says, { retry });

/** Change tracking. */
const trackingResults: readonly (readonly [number, Meaning])[] = [
  [0xc03a0020, tracking('change tracking of the disk is not initialised')],
  [0xc03a0021, tracking('the log of changed blocks got too long')],
  [0xc03a0022, tracking('the disk was changed while change tracking did not see it')],
  [0xc03a0023, tracking('change tracking of the disk is in an invalid state', { retry: true })],
  [
    0xc03a0024,
    tracking('the tracking file of the disk is damaged', {
      hint: `${fullRead} When it stays so, shut the VM down and delete the .rct and .mrt files of the disk.`,
    }),
  ],
  [0xc03a0029, tracking('the host does not know the moment since which changes were asked for')],
  [0xc03a002a, tracking('change tracking is switched off for the disk')],
  [0xc03a0030, tracking('the host has no changes since that moment')],
];

/** Virtual disk files and their chains. */
const diskResults: readonly (readonly [number, Meaning])[] = [
  ...Array.from({ length: 12 }, (_, index) => [0xc03a0001 + index, corrupt('a virtual disk is damaged')] as const),
  [0xc03a0010, corrupt('the block table of a virtual disk is damaged')],
  [0xc03a0011, corrupt('a block of a virtual disk is damaged')],
  [0xc03a000d, chain(e.diskParentMissing, 'the parent of a differencing disk is missing')],
  [0xc03a000e, chain(e.diskParentMismatch, 'the parent of a differencing disk is another disk')],
  [0xc03a000f, chain(e.diskParentMismatch, 'the parent of a differencing disk was changed')],
  [0xc03a0017, chain(e.diskParentMismatch, 'the parent of a differencing disk has another size')],
  [0xc03a0018, chain(e.diskParentCycle, 'a differencing disk is its own ancestor')],
  [0xc03a0019, chain(e.diskParentMissing, 'the parent of a differencing disk cannot be opened')],
  [0xc03a0012, corrupt('a virtual disk has an invalid size')],
  [0xc03a0013, corrupt('the file of a virtual disk has an invalid size')],
  [0xc03a0014, unsupported('the host cannot open this kind of virtual disk', 'Convert the disk to VHDX.')],
  [0xc03a0015, meaning(e.diskFormatUnknown, 'the file is no virtual disk')],
  [
    0xc03a001a,
    unsupported(
      'the file of a virtual disk is compressed, encrypted or sparse',
      'Switch that off for the file and its folder.',
    ),
  ],
  [0xc03a001b, unsupported('that is not possible with this type of virtual disk', 'Convert the disk to VHDX.')],
  [0xc03a001c, meaning(e.vmWrongState, 'the virtual disk is not in a state that allows it')],
  [
    0xc03a001d,
    unsupported(
      'the volume has a sector size that the virtual disk does not fit',
      'Move the disk to a volume with sectors of 512 bytes, or 512e.',
    ),
  ],
  [0xc03a001e, meaning(e.hostFileInUse, 'another program has the virtual disk attached', { retry: true })],
  [0xc03a001f, meaning(e.hostFileInUse, 'the virtual disk is attached and online for writing')],
];

/** Files, volumes and rights. */
const fileResults: readonly (readonly [number, Meaning])[] = [
  [0x80070002, meaning(e.hostFileMissing, 'a file is missing')],
  [0x80070003, meaning(e.hostFileMissing, 'a folder is missing')],
  [0x80070005, meaning(e.hypervAccessDenied, 'access was denied')],
  [0x80070013, meaning(e.exportTargetUnusable, 'the medium is write-protected')],
  [0x80070015, meaning(e.hostStorageLost, 'a device of the host is not ready')],
  [0x80070020, meaning(e.hostFileInUse, 'another program holds a file', { retry: true })],
  [0x80070021, meaning(e.hostFileInUse, 'another program has locked a part of a file', { retry: true })],
  [0x80070027, meaning(e.hostDiskFull, 'the disk of the host is full')],
  [0x80070035, meaning(e.hostStorageLost, 'a network path was not found')],
  [0x80070040, meaning(e.hostStorageLost, 'a network share is gone')],
  [0x80070050, meaning(e.exportTargetUnusable, 'a file of that name exists')],
  [0x80070070, meaning(e.hostDiskFull, 'the disk of the host is full')],
  [0x80070091, meaning(e.exportTargetUnusable, 'the folder is not empty')],
  [0x800700b7, meaning(e.exportTargetUnusable, 'a file of that name exists')],
  [0x80070299, meaning(e.hostFileSystemLimit, 'the file system of the host cannot go on with a file')],
  [0x800703ee, meaning(e.hostStorageLost, 'the storage under an open file was changed or lost')],
  [0x8007048f, meaning(e.hostStorageLost, 'a device of the host is not connected')],
  [
    0x8009030e,
    meaning(e.hypervAccessDenied, 'there are no credentials for another machine', {
      hint: "Give the host's computer account rights on the share: the agent cannot pass a password on.",
    }),
  ],
  [0x80048102, meaning(e.checkpointHold, 'the change to new disk files was not completed')],
  [0x800480bc, meaning(e.checkpointHold, 'the replica must be synchronised again')],
  [0x800480bd, meaning(e.checkpointHold, 'change tracking of the replica failed')],
  [0x8007052f, meaning(e.logonRightMissing, 'the virtual machine may not be logged on')],
  [0x80070569, meaning(e.logonRightMissing, 'the virtual machine lacks the right to log on as a service')],
];

/** WMI, RPC and their services. */
const transportResults: readonly (readonly [number, Meaning])[] = [
  [0x80041002, meaning(e.vmNotFound, 'Hyper-V does not have it')],
  [0x80041003, meaning(e.hypervAccessDenied, 'access was denied')],
  [0x8004100e, meaning(e.hypervUnavailable, 'the host has no Hyper-V')],
  [0x80041010, meaning(e.hypervUnavailable, 'the host has no Hyper-V')],
  [0x80041008, meaning(e.hypervOperationFailed, 'Hyper-V refused a value')],
  [0x8004100c, meaning(e.hypervUnsupported, 'this Windows does not support it')],
  [0x80041006, serviceLost('WMI ran out of memory')],
  [0x80041013, serviceLost('the WMI provider of Hyper-V could not be loaded')],
  [0x80041014, serviceLost('WMI could not be started')],
  [0x80041032, serviceLost('WMI ended the call')],
  [0x80041033, serviceLost('WMI is being shut down')],
  [0x80041069, meaning(e.hostNotAnswering, 'WMI did not answer in time', { retry: true })],
  [0x8004106c, serviceLost('WMI has reached one of its limits')],
  [0x80010108, serviceLost('the management service of Hyper-V was disconnected')],
  [0x80080005, serviceLost('the management service of Hyper-V could not be started')],
  [0x800706ba, serviceLost('the management service of Hyper-V cannot be reached')],
  [0x800706be, serviceLost('the management service of Hyper-V ended in the middle of the call')],
  [0x800706bf, serviceLost('the management service of Hyper-V ended in the middle of the call')],
  [0x8007000e, meaning(e.hypervOperationFailed, 'the host has too little memory', { retry: true })],
  [0x800705aa, meaning(e.hypervOperationFailed, 'the host has too few resources', { retry: true })],
];

/** VSS in the guest; all others of its range too. */
const vssResults: readonly (readonly [number, Meaning])[] = [
  [0x800423f2, vss('a VSS writer in the guest took too long', true)],
  [0x800423f3, vss('a VSS writer in the guest failed, perhaps for a moment only', true)],
  [0x800423f4, vss('a VSS writer in the guest failed')],
];

const known: ReadonlyMap<number, Meaning> = new Map([
  ...trackingResults,
  ...diskResults,
  ...fileResults,
  ...transportResults,
  ...vssResults,
]);

/** Every HRESULT of the tables. */
export const knownHresults: readonly number[] = [...known.keys()];

/** What an HRESULT, as an unsigned number, means; undefined when it says nothing. */
export function meaningOfHresult(hresult: number): Meaning | undefined {
  const found = known.get(hresult);
  if (found !== undefined) return found;
  if (hresult >= 0x80042300 && hresult <= 0x800423ff) return vss('VSS in the guest or on the host failed');
  if (hresult >= 0x80338000 && hresult <= 0x80338fff) return serviceLost('Windows Remote Management failed');
  return undefined;
}

/** The HRESULTs that a text names, as `0x80070020` or as a negative number, in order. */
export function hresultsIn(text: string): readonly number[] {
  const found = text.matchAll(/0x([0-9A-Fa-f]{8})(?![0-9A-Fa-f])|(?<![\d.])-(\d{8,10})(?!\d|[.,]\d)/g);
  return [...found].flatMap(([, hexadecimal, decimal]) => {
    if (hexadecimal !== undefined) return [Number.parseInt(hexadecimal, 16)];
    const value = -Number(decimal);
    return value >= -0x80000000 ? [value >>> 0] : [];
  });
}

/** `0x80070020`. */
export function formatHresult(hresult: number): string {
  return `0x${hresult.toString(16).toUpperCase().padStart(8, '0')}`;
}
