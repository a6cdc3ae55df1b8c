/** What a repository keeps of a restore point: the protocol's view of it plus block maps and origin. Format: docs/repository-format.md, "Restore points". */
import { ownerId, runId } from '../protocol/ids.ts';
import { restorePointDisk, restorePointInfo } from '../protocol/model.ts';
import type { RestorePointDisk } from '../protocol/model.ts';
import { array, branded, integer, literal, object, string, union } from '../protocol/parse.ts';
import type { Parsed } from '../protocol/parse.ts';

declare const blobBrand: unique symbol;
/** Keyed id of a blob, 64 hex digits. */
export type BlobId = string & { readonly [blobBrand]: true };

export const blobId = branded<BlobId>(/^[0-9a-f]{64}$/, 'a blob id (64 hex digits)');

/** Page ids of a root that is kept in the restore point itself: 64 KiB of them. A larger root is a blob. */
export const maxInlineRootBytes = 64 * 1024;

export const storedMap = object({
  root: union('type', {
    /** The page ids, 32 bytes each, base64. */
    inline: object({
      type: literal('inline'),
      pages: string({
        maxLength: Math.ceil(maxInlineRootBytes / 3) * 4,
        allowEmpty: true,
        pattern: /^[A-Za-z0-9+/]*={0,2}$/,
      }),
    }),
    /** The page ids are the content of this blob. */
    blob: object({ type: literal('blob'), id: blobId }),
  }),
  /** Bytes of the disk in chunks that are not zeros. */
  dataBytes: integer(),
});
/** The block map of a disk: which chunk has which id. */
export type StoredMap = Parsed<typeof storedMap>;

/** A disk of a stored restore point. */
export type StoredDisk = RestorePointDisk & { readonly map: StoredMap };

const mapOnly = object({ map: storedMap });

/** Parses a `StoredDisk`. */
export function storedDisk(value: unknown, path: string): StoredDisk {
  return { ...restorePointDisk(value, path), ...mapOnly(value, path) };
}

const ownFields = object({
  disks: array(storedDisk, 256),
  /** The blob with the VM's configuration (JSON of `VmConfiguration`). */
  configuration: blobId,
  /** The run, the daemon and the version of Tidemark that made it. */
  runId,
  owner: ownerId,
  version: string({ maxLength: 64 }),
});

/** A restore point as it is stored. Whether it is pinned is kept beside it: restore points never change. */
export type StoredRestorePoint = Omit<Parsed<typeof restorePointInfo>, 'repository' | 'disks' | 'pinned'> &
  Parsed<typeof ownFields>;

/** Parses a `StoredRestorePoint`. */
export function storedRestorePoint(value: unknown, path: string): StoredRestorePoint {
  // A repository does not know under which name a daemon keeps it; the protocol's parser wants one.
  const { repository: _name, pinned: _pin, ...info } = restorePointInfo(withRepository(value), path);
  return { ...info, ...ownFields(value, path) };
}

function withRepository(value: unknown): unknown {
  return typeof value === 'object' && value !== null ? { ...value, repository: '-' } : value;
}

/** A restore point before `commit` gives it its id and end. */
export type NewRestorePoint = Omit<StoredRestorePoint, 'id' | 'finishedAt'>;
