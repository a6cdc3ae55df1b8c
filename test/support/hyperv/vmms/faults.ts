/** Everything that can be made to go wrong, or to be otherwise than usual: one named switch each. */
import { array, boolean, integer, object, oneOf, optional, record, string } from '../../../../server/protocol/parse.ts';
import type { Parsed } from '../../../../server/protocol/parse.ts';

const name = string({ maxLength: 128 });
const milliseconds = integer(0, 3_600_000);
const unsigned = integer(0, 4_294_967_295);

/** How the job of a method ends instead of the way it would. */
const jobEnd = object({
  /** 7 Completed, 8 Terminated, 9 Killed, 10 Exception, 32768 CompletedWithWarnings. */
  state: integer(2, 65_535),
  errorCode: integer(0, 65_535),
  /** In the description, as `(0x…)`; a storage job has it as its completion status too. */
  hresult: optional(unsigned),
  /** The description instead of the usual one. */
  text: optional(string({ allowEmpty: true })),
  /** Whether what the method does was done all the same. */
  worked: boolean,
});
export type JobEnd = Parsed<typeof jobEnd>;

const fields = {
  /** Milliseconds that every answer takes more. */
  answerMs: milliseconds,
  /** Classes and methods that are never answered; `*` is all. */
  hang: array(name, 256),
  /** Classes and methods that are refused with 0x80041003; `*` is all. */
  accessDenied: array(name, 256),
  /** The caller is not elevated: enumerations of the namespace are empty, its objects are not found. */
  notElevated: boolean,
  /** So many questions more fail with 0x800706BE, as while VMMS restarts. */
  rpcFailures: integer(0, 1_000_000),
  /** By method: `done` answers 0 with the result when all is done, `job` answers 4096 with an empty result. */
  returns: record(oneOf('done', 'job')),
  /** By method: this return code at once, and nothing is done. */
  returnCodes: record(unsigned),
  /** By method: how its job ends. */
  jobEnds: record(jobEnd),
  /** By method: how long its job takes at least, in milliseconds. */
  jobMs: record(milliseconds),
  /** Methods whose job stays at one percentage until it is cancelled or this is taken back. */
  stuckJobs: array(name, 256),
  /** `each`: every state of a job is shown for one question at least (2, 3, 4, then how it is). `now`: as it is. */
  jobStates: oneOf('each', 'now'),
  /** By method: whether its job can be cancelled, where that is otherwise than usual. */
  cancellable: record(boolean),
  /** What `RequestStateChange` of a job that runs answers: 0, or 4099 (busy) and does nothing. */
  cancelReturns: unsigned,
  /** Milliseconds that a merge takes more. */
  mergeMs: milliseconds,
  /** `fails`: a merge begins, and ends with the differencing disks as they were (event 19100). `waits`: it does not begin. */
  merge: oneOf('normal', 'fails', 'waits'),
  /** What `CreateSnapshot` does when the VM has a recovery snapshot: `refuse` is 32775, `fail` a failed job. */
  existingSnapshot: oneOf('refuse', 'fail'),
  /** What an application-consistent snapshot of a VM that is not running does: fail, or be crash-consistent. */
  offWithLevel1: oneOf('fail', 'crash'),
  /** The return code of destroying what is not there (docs/hyperv.md: not known; 0 is possible too). */
  missingObject: unsigned,
  /** Milliseconds in which a new snapshot or reference point cannot be seen yet. */
  visibleAfterMs: milliseconds,
  /** The volume is full: `CreateSnapshot` and `ExportSystemDefinition` end with 0x80070070. */
  diskFull: boolean,
  /** Most ranges that one `GetVirtualDiskChanges` gives. */
  changedRanges: integer(1, 1_000_000),
  /** `GetVirtualDiskChanges` answers that it covered nothing. */
  zeroProgress: boolean,
  /** `GetVirtualDiskChanges` gives one offset more than lengths. */
  changeArraysDiffer: boolean,
  /** `GetVirtualDiskChanges` tells of one range more, from its last MiB to far past the end, and that it covered as much. */
  changesPastEnd: boolean,
  /** `GetVirtualDiskChanges` fails with this HRESULT; 0 is off. */
  changesFail: unsigned,
  /** Where a failure of the image service is told: in a finished job, as an exception of the cmdlet, or nowhere. */
  imageFailures: oneOf('job', 'exception', 'bare'),
  /** The arrays of reference points are of different length: the last disk has no tracking id. */
  referencePointArraysDiffer: boolean,
  /** The type that reference points say they have (docs/hyperv.md). */
  referencePointType: integer(0, 65_535),
  /** `Msvm_AffectedJobElement` gives nothing: what a job made must be found otherwise. */
  noAffectedElements: boolean,
  /** Which family of numbers `EnabledState` is of (docs/hyperv.md). */
  stateNumbers: oneOf('dmtf', 'vendor'),
  /** Whether reference points of the definition come back with a VM that is imported under its own id (docs/hyperv.md). */
  referencePointsSurviveImport: boolean,
  /** Guests write to all their disks by themselves, before each snapshot. */
  guestWrites: boolean,
  /** The number by which `CreateReferencePoint` makes one with change tracking. */
  trackingReferencePoint: integer(0, 2),
  /** Language of what is for people. */
  language: oneOf('en', 'de'),
  /** Classes, and properties and methods as `Class.Name`, that this build lacks beside those of its number. A PowerShell sees it when it starts. */
  lacks: array(name, 256),
} as const;

type FaultParsers = typeof fields;

/** The switches as they are now. */
export type Faults = { readonly [K in keyof FaultParsers]: Parsed<FaultParsers[K]> };

/** Nothing goes wrong; methods answer with a job, the image service at once. */
export const noFaults: Faults = {
  answerMs: 0,
  hang: [],
  accessDenied: [],
  notElevated: false,
  rpcFailures: 0,
  returns: {},
  returnCodes: {},
  jobEnds: {},
  jobMs: {},
  stuckJobs: [],
  jobStates: 'each',
  cancellable: {},
  cancelReturns: 0,
  mergeMs: 0,
  merge: 'normal',
  existingSnapshot: 'refuse',
  offWithLevel1: 'fail',
  missingObject: 32_773,
  visibleAfterMs: 0,
  diskFull: false,
  changedRanges: 256,
  zeroProgress: false,
  changeArraysDiffer: false,
  changesPastEnd: false,
  changesFail: 0,
  imageFailures: 'job',
  referencePointArraysDiffer: false,
  referencePointType: 2,
  noAffectedElements: false,
  stateNumbers: 'dmtf',
  referencePointsSurviveImport: false,
  guestWrites: false,
  trackingReferencePoint: 1,
  language: 'en',
  lacks: [],
};

const optionalFields = Object.fromEntries(
  Object.entries(fields).map(([field, parser]) => [field, optional<unknown>(parser)]),
);

/** Parses some of the switches; names that do not exist are refused. */
export function faultChanges(input: unknown, path: string): Partial<Faults> {
  const known = record((entry) => entry)(input, path);
  for (const given of Object.keys(known)) {
    if (!Object.hasOwn(fields, given)) throw new Error(`There is no fault ${given}.`);
  }
  return object(optionalFields)(input, path);
}

/** The switches of one VMMS. */
export class FaultSwitches {
  #now: Faults = noFaults;
  readonly #changed: () => void;

  /** `changed` is called after each change. */
  constructor(changed: () => void = () => undefined) {
    this.#changed = changed;
  }

  get now(): Faults {
    return this.#now;
  }

  /** Changes some switches, until they are changed again. */
  set(changes: Partial<Faults>): void {
    this.#now = { ...this.#now, ...changes };
    this.#changed();
  }

  /** Nothing goes wrong any more. */
  reset(): void {
    this.#now = noFaults;
    this.#changed();
  }

  /** Whether one of these names is in the list. */
  has(list: 'hang' | 'accessDenied' | 'stuckJobs', ...names: readonly string[]): boolean {
    return this.#now[list].some((entry) => entry === '*' || names.includes(entry));
  }

  /** Takes one of the RPC failures that are left. */
  takeRpcFailure(): boolean {
    const { rpcFailures } = this.#now;
    if (rpcFailures === 0) return false;
    this.#now = { ...this.#now, rpcFailures: rpcFailures - 1 };
    return true;
  }
}
