/** Small sealed records of the keeper's work: packs that are about to go, and blobs found damaged. Format: docs/repository-format.md. */
import { array, integer, object, optional, string } from '../protocol/parse.ts';
import type { Parsed } from '../protocol/parse.ts';

const hexId = string({ maxLength: 64, pattern: /^[0-9a-f]{64}$/, what: '64 hex digits' });

export const condemnedRecord = object({
  /** When, ms since 1970 by the storage's clock. */
  createdMs: integer(),
  /** Ids of the packs. */
  packs: array(hexId),
  /** For people. */
  reason: string({ maxLength: 1024 }),
});
/** Packs that a garbage collection found unused: nothing new relies on them, and a later one deletes them. */
export type CondemnedRecord = Parsed<typeof condemnedRecord>;

export const damageRecord = object({
  createdMs: integer(),
  /** The copies that are damaged: a blob in a pack. */
  blobs: array(object({ pack: hexId, id: hexId })),
  /** Packs whose file is damaged outside of their blobs: a garbage collection moves the blobs to other packs. */
  packs: optional(array(hexId)),
});
/** Copies of blobs that cannot be read: a run that has the same data stores it again. */
export type DamageRecord = Parsed<typeof damageRecord>;

/** A record and the file it lies in. */
export interface StoredRecord<T> {
  readonly file: string;
  readonly record: T;
}
