/**
 * Leases: who uses the repository now, so that nothing is deleted under a writer. `leases/<ulid>.json`, plain JSON; how fresh
 * a lease is, its file's time says, by the storage's clock. Writers share the repository; an exclusive lease is alone.
 */
import { integer, object, oneOf, string } from '../protocol/parse.ts';
import type { Parsed } from '../protocol/parse.ts';

const leaseKind = oneOf('writer', 'exclusive');
export type LeaseKind = Parsed<typeof leaseKind>;

export const leaseFile = object({
  version: integer(1),
  kind: leaseKind,
  /** For people: what the holder does. */
  note: string({ maxLength: 1024, allowEmpty: true }),
  hostName: string({ maxLength: 256 }),
  /** The machine and its start: a holder whose process is gone from there is dead. */
  machine: string({ maxLength: 256 }),
  processId: integer(0),
  /** Random, one for each lease. */
  token: string({ maxLength: 64 }),
  /** When it was taken, ms since 1970 by the storage's clock. */
  createdMs: integer(),
});
export type LeaseFile = Parsed<typeof leaseFile>;

/** A lease of a living holder. */
export interface LeaseInfo extends LeaseFile {
  readonly file: string;
  /** Last refreshed, ms since 1970 by the storage's clock. */
  readonly refreshedMs: number;
}

/** The ULID of a lease, from its file's name: what its holder is called in the names of files that it has not finished. */
export function writerOf(file: string): string {
  return file.slice(file.lastIndexOf('/') + 1).replace(/\.json$/, '');
}

/** A lease that is held here, and kept fresh until it is released. */
export interface Lease extends AsyncDisposable {
  readonly file: string;
  readonly kind: LeaseKind;
  /** Aborted with `TM4015` when the lease was lost. */
  readonly lost: AbortSignal;
  /** Makes sure, right now, that the lease is still there; throws `TM4015`. */
  confirm(signal: AbortSignal): Promise<void>;
  release(): Promise<void>;
}
