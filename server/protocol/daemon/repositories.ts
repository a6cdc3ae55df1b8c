/** Repositories: where restore points are kept. */
import * as id from '../ids.ts';
import { request } from '../message.ts';
import { array, boolean, integer, nullable, object, oneOf, optional, string } from '../parse.ts';
import type { Parsed } from '../parse.ts';
import { passwordFields } from './passwords.ts';

const nothing = object({});

export const repositoryEntry = object({
  name: id.nameText,
  location: string({ maxLength: 4096 }),
  id: id.repositoryId,
  /** Where the daemon takes the password from. */
  passwordSource: optional(oneOf('stored', 'file', 'command')),
});
export type RepositoryEntry = Parsed<typeof repositoryEntry>;

export const repositoryStatus = object({
  entry: repositoryEntry,
  restorePoints: integer(),
  vms: integer(),
  /** Size of all files. */
  storedBytes: integer(),
  /** What the restore points hold, added up: each disk's data without its zeros. */
  logicalBytes: integer(),
  /** Distinct chunks, before compression. */
  uniqueBytes: integer(),
  /** In packs, needed by no restore point. */
  unusedBytes: integer(),
  freeBytes: nullable(integer()),
  warnings: array(string({ maxLength: 4096 }), 64),
});
export type RepositoryStatus = Parsed<typeof repositoryStatus>;

/** Creates a repository at `location`, or with `attach` takes in the one that is there. */
export const initRepository = request(
  'tidemark/repository/init',
  object({ name: id.nameText, location: string({ maxLength: 4096 }), ...passwordFields, attach: boolean }),
  object({ repository: repositoryEntry, recoveryKey: optional(string({ maxLength: 256 })) }),
);
export const listRepositories = request(
  'tidemark/repository/list',
  nothing,
  object({ repositories: array(repositoryEntry, 1024) }),
);
export const getRepositoryStatus = request(
  'tidemark/repository/status',
  object({ name: id.nameText }),
  repositoryStatus,
);
