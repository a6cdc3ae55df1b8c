/**
 * The one error type of Tidemark and its stable codes.
 *
 * Codes are grouped: TM1xxx input and usage, TM2xxx host and agent, TM3xxx virtual disk files,
 * TM4xxx repository, TM5xxx daemon and runs, TM6xxx restore, TM7xxx policies (TM71xx to TM73xx are diagnostics of policy files,
 * server/policy/diagnostic.ts). A code never changes its meaning.
 */
export const errorCodes = {
  // TM1xxx: input and usage
  invalidInput: 'TM1001',
  invalidUsage: 'TM1002',
  invalidFile: 'TM1003',
  internal: 'TM1900',
  cancelled: 'TM1999',
  // TM2xxx: host and agent
  hostUnreachable: 'TM2001',
  agentAuthenticationFailed: 'TM2002',
  agentCertificateMismatch: 'TM2003',
  agentProtocolViolation: 'TM2004',
  agentConnectionLost: 'TM2005',
  agentVersionMismatch: 'TM2006',
  agentLockedOut: 'TM2007',
  agentBusy: 'TM2008',
  vmNotFound: 'TM2101',
  diskNotFound: 'TM2102',
  vmNotEligible: 'TM2103',
  vmBusy: 'TM2104',
  vmWrongState: 'TM2105',
  checkpointNotFound: 'TM2106',
  checkpointFailed: 'TM2107',
  consistencyUnavailable: 'TM2108',
  referencePointNotFound: 'TM2109',
  trackingUnknown: 'TM2110',
  exportNotFound: 'TM2111',
  hostStateInvalid: 'TM2112',
  hostLocked: 'TM2113',
  vmExists: 'TM2114',
  hostDiskFull: 'TM2115',
  restoreSessionNotFound: 'TM2116',
  agentFailed: 'TM2199',
  // TM22xx: Hyper-V itself
  hypervUnavailable: 'TM2201',
  powerShellFailed: 'TM2202',
  hostNotAnswering: 'TM2203',
  hypervServiceLost: 'TM2204',
  hypervAccessDenied: 'TM2205',
  hypervOperationFailed: 'TM2206',
  hypervUnsupported: 'TM2207',
  operationStalled: 'TM2208',
  outcomeUnknown: 'TM2209',
  mergeFailed: 'TM2210',
  checkpointHold: 'TM2211',
  hostFileInUse: 'TM2212',
  hostFileMissing: 'TM2213',
  hostStorageLost: 'TM2214',
  hostFileSystemLimit: 'TM2215',
  exportTargetUnusable: 'TM2216',
  logonRightMissing: 'TM2217',
  notOwnObject: 'TM2218',
  vmOperationRunning: 'TM2219',
  // TM3xxx: virtual disk files
  diskFormatUnknown: 'TM3001',
  diskCorrupt: 'TM3002',
  diskTruncated: 'TM3003',
  diskUnsupported: 'TM3004',
  diskParentMissing: 'TM3005',
  diskParentMismatch: 'TM3006',
  diskParentCycle: 'TM3007',
  diskOutOfRange: 'TM3008',
  diskReadOnly: 'TM3009',
  // TM4xxx: repository
  repositoryNotFound: 'TM4001',
  repositoryExists: 'TM4002',
  repositoryWrongPassword: 'TM4003',
  repositoryTooNew: 'TM4004',
  repositoryLocked: 'TM4005',
  repositoryFull: 'TM4006',
  repositoryReadOnly: 'TM4007',
  repositoryCorrupt: 'TM4008',
  blobMissing: 'TM4009',
  blobCorrupt: 'TM4010',
  restorePointNotFound: 'TM4011',
  restorePointCorrupt: 'TM4012',
  restorePointProtected: 'TM4013',
  repositoryUnavailable: 'TM4014',
  leaseLost: 'TM4015',
  repositoryDamaged: 'TM4016',
  repositoryFileMissing: 'TM4017',
  // TM5xxx: daemon and runs
  daemonNotRunning: 'TM5001',
  daemonAuthenticationFailed: 'TM5002',
  daemonVersionMismatch: 'TM5003',
  daemonStartFailed: 'TM5004',
  daemonBusy: 'TM5005',
  daemonCertificateMismatch: 'TM5006',
  requestTimeout: 'TM5007',
  runNotFound: 'TM5101',
  vmAlreadyRunning: 'TM5102',
  runInterrupted: 'TM5103',
  hostNotFound: 'TM5201',
  hostExists: 'TM5202',
  repositoryUnknown: 'TM5203',
  repositoryNameTaken: 'TM5204',
  passwordUnavailable: 'TM5205',
  simulatorFailed: 'TM5206',
  // TM6xxx: restore
  targetExists: 'TM6001',
  targetNotWritable: 'TM6002',
  targetDiskFull: 'TM6003',
  restoreFailed: 'TM6004',
  // TM7xxx: policies
  policyInvalid: 'TM7001',
  policyNotFound: 'TM7002',
  policyChanged: 'TM7003',
  policyRunFailed: 'TM7004',
  policyActive: 'TM7005',
  notificationFailed: 'TM7006',
  policyRunLeftOut: 'TM7007',
} as const;

/** A stable error code, such as `TM2001`. */
export type ErrorCode = (typeof errorCodes)[keyof typeof errorCodes];

/** What a `TidemarkError` carries besides its message. */
export interface ErrorDetails {
  /** What the user can do about it: one sentence. */
  readonly hint?: string | undefined;
  /** The error underneath; goes to the log, never to the user. */
  readonly cause?: unknown;
}

/** What of an error crosses a wire or is stored in the run history. */
export interface ErrorReport {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string | undefined;
}

/** The only error Tidemark throws on purpose: a code for programs, a sentence for people, a hint, a cause. */
export class TidemarkError extends Error {
  override readonly name = 'TidemarkError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.hint = details.hint;
  }

  /** The part of this error that may be shown, sent or stored. */
  report(): ErrorReport {
    return this.hint === undefined
      ? { code: this.code, message: this.message }
      : { code: this.code, message: this.message, hint: this.hint };
  }

  /** Whether `error` is a Tidemark error, and of `code` when one is given. Never match on message text. */
  static is(error: unknown, code?: ErrorCode): error is TidemarkError {
    return error instanceof TidemarkError && (code === undefined || error.code === code);
  }

  /** Turns anything thrown into a Tidemark error: cancellation and system errors keep their meaning, the rest is internal. */
  static from(error: unknown): TidemarkError {
    if (error instanceof TidemarkError) return error;
    if (error instanceof Error && error.name === 'AbortError') return cancelledError(error);
    const message = error instanceof Error ? error.message : String(error);
    return new TidemarkError(errorCodes.internal, `Something unexpected went wrong: ${message}`, {
      hint: 'This is a defect in Tidemark. The log has the details.',
      cause: error,
    });
  }
}

/** The error of an operation that was cancelled by its caller. */
export function cancelledError(cause?: unknown): TidemarkError {
  return new TidemarkError(errorCodes.cancelled, 'The operation was cancelled.', { cause });
}

/** Whether `value` is one of the codes of this version. */
export function isErrorCode(value: unknown): value is ErrorCode {
  return Object.values<unknown>(errorCodes).includes(value);
}

/** Rebuilds an error that came over a wire. An unknown code (a newer peer) becomes `internal` with the same text. */
export function errorFromReport(report: {
  readonly code: string;
  readonly message: string;
  readonly hint?: string | undefined;
}): TidemarkError {
  return new TidemarkError(isErrorCode(report.code) ? report.code : errorCodes.internal, report.message, {
    hint: report.hint,
  });
}

/** Throws the cancellation error when `signal` is aborted. A Tidemark error given as the abort reason is kept. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) {
    throw TidemarkError.is(signal.reason) ? signal.reason : cancelledError(signal.reason);
  }
}
