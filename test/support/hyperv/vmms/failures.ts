/** How methods fail: return codes, HRESULTs, and texts as Hyper-V writes them (localised, several lines, the HRESULT in parentheses). */
import { systemCode } from '../../../../server/base/files.ts';
import { errorCodes, TidemarkError } from '../../../../server/protocol/errors.ts';
import type { ErrorCode } from '../../../../server/protocol/errors.ts';
import type { Faults } from './faults.ts';
import { hexText } from './wire.ts';

/** Return codes of methods (docs/hyperv.md). */
export const returnCodes = {
  done: 0,
  notSupported: 1,
  dmtfInvalidParameter: 4,
  dmtfInvalidState: 5,
  invalidType: 6,
  jobStarted: 4096,
  invalidTransition: 4097,
  failed: 32_768,
  vendorNotSupported: 32_770,
  invalidParameter: 32_773,
  invalidState: 32_775,
  fileNotFound: 32_779,
} as const;

/** HRESULTs (docs/hyperv.md). */
export const hresults = {
  accessDenied: 0x80070005,
  fileNotFound: 0x80070002,
  fileExists: 0x80070050,
  diskFull: 0x80070070,
  sharingViolation: 0x80070020,
  invalidParameter: 0x80070057,
  alreadyExists: 0x800700b7,
  vssWriterFailed: 0x800423f4,
  parentMissing: 0xc03a000d,
  diskDamaged: 0xc03a0014,
  unknownTrackingId: 0xc03a0029,
  trackingDisabled: 0xc03a002a,
  unspecified: 0x80004005,
} as const;

/** A method fails: at once with a return code, or its job does. */
export class MethodFailure extends Error {
  override readonly name = 'MethodFailure';
  readonly returnValue: number;
  readonly hresult: number | undefined;
  /** What went wrong, one text each. */
  readonly reasons: readonly string[];

  constructor(returnValue: number, hresult?: number, reasons: readonly string[] = []) {
    super(reasons[0] ?? `The method returned ${returnValue}.`);
    this.returnValue = returnValue;
    this.hresult = hresult;
    this.reasons = reasons;
  }
}

/** A parameter or an id that cannot be. */
export const invalidParameter = (why: string): MethodFailure =>
  new MethodFailure(returnCodes.invalidParameter, hresults.invalidParameter, [why]);

const meanings: ReadonlyMap<ErrorCode, readonly [number, number | undefined]> = new Map([
  [errorCodes.vmNotFound, [returnCodes.invalidParameter, hresults.fileNotFound]],
  [errorCodes.vmNotEligible, [returnCodes.failed, hresults.unspecified]],
  [errorCodes.vmBusy, [returnCodes.invalidState, undefined]],
  [errorCodes.vmWrongState, [returnCodes.invalidState, undefined]],
  [errorCodes.consistencyUnavailable, [returnCodes.failed, hresults.vssWriterFailed]],
  [errorCodes.checkpointNotFound, [returnCodes.invalidParameter, undefined]],
  [errorCodes.referencePointNotFound, [returnCodes.invalidParameter, undefined]],
  [errorCodes.trackingUnknown, [returnCodes.failed, hresults.unknownTrackingId]],
  [errorCodes.hostDiskFull, [returnCodes.failed, hresults.diskFull]],
  [errorCodes.vmExists, [returnCodes.failed, hresults.alreadyExists]],
  [errorCodes.diskParentMissing, [returnCodes.failed, hresults.parentMissing]],
]);

const systemCodes: ReadonlyMap<string, number> = new Map([
  ['EACCES', hresults.accessDenied],
  ['EPERM', hresults.accessDenied],
  ['EROFS', hresults.accessDenied],
  ['ENOENT', hresults.fileNotFound],
  ['ENOTDIR', hresults.fileNotFound],
  ['EEXIST', hresults.fileExists],
  ['ENOSPC', hresults.diskFull],
]);

/** Any error of the simulated host as Hyper-V would tell it. */
export function methodFailure(error: unknown): MethodFailure {
  if (error instanceof MethodFailure) return error;
  const system = TidemarkError.is(error) ? undefined : systemCodes.get(systemCode(error) ?? '');
  const known = TidemarkError.from(error);
  if (system !== undefined) return new MethodFailure(returnCodes.failed, system, [known.message]);
  const [returnValue, hresult] = meanings.get(known.code) ?? [returnCodes.failed, hresults.unspecified];
  return new MethodFailure(returnValue, hresult, [known.message]);
}

const titles = {
  en: (what: string) => `The operation '${what}' failed.`,
  de: (what: string) =>
    `Fehler beim Vorgang "${what}": für diesen Vorgang können die Änderungen nicht übernommen werden.`,
} as const;

/** The description of a job that failed: a first line for the operation, then the reason with the HRESULT. */
export function description(what: string, failure: MethodFailure, language: Faults['language']): string {
  const hresult = failure.hresult === undefined ? '' : ` (${hexText(failure.hresult)})`;
  const reasons = failure.reasons.length === 0 ? [''] : failure.reasons;
  return [titles[language](what), '', ...reasons.map((reason) => `${reason}${hresult}`.trim())].join('\n');
}
