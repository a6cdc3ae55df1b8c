/** The registry of repositories: where they lie, their passwords, and the one open instance of each. */
import { realpath } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative } from 'node:path';

import { Mutex } from '../base/concurrency.ts';
import { systemCode } from '../base/files.ts';
import type { Logger } from '../base/log.ts';
import type { RepositoryEntry, RepositoryStatus } from '../protocol/daemon.ts';
import { cancelledError, errorCodes, TidemarkError } from '../protocol/errors.ts';
import { repositoryId } from '../protocol/ids.ts';
import type { Repository } from '../repository/index.ts';
import { abortable } from './deadline.ts';
import { sourceKind } from './password-source.ts';
import type { PasswordSource } from './password-source.ts';
import type { SecretStore } from './secrets.ts';
import type { RepositoryRecord, Store } from './store/store.ts';

/** Opens and creates repositories by location: the repository library, or a stand-in in tests. */
export interface RepositoryLibrary {
  create(
    location: string,
    options: { readonly password: string; readonly signal: AbortSignal },
  ): Promise<{ readonly repository: Repository; readonly recoveryKey?: string | undefined }>;
  open(location: string, options: { readonly password: string; readonly signal: AbortSignal }): Promise<Repository>;
}

/** A repository as the user gives it. */
export interface NewRepository {
  readonly name: string;
  readonly location: string;
  readonly password: PasswordSource;
  /** Take in the one that is there instead of creating it. */
  readonly attach: boolean;
  /** One that the daemon makes for itself below its data directory; no client can ask for that. */
  readonly ours?: boolean;
}

/** Repositories by name. */
export class RepositoryRegistry {
  readonly #store: Store;
  readonly #secrets: SecretStore;
  readonly #library: RepositoryLibrary;
  readonly #dataDirectory: string;
  readonly #log: Logger;
  readonly #records = new Map<string, RepositoryRecord>();
  readonly #open = new Map<string, Promise<Repository>>();
  readonly #lifetime = new AbortController();
  readonly #mutex = new Mutex();

  constructor(store: Store, secrets: SecretStore, library: RepositoryLibrary, dataDirectory: string, log: Logger) {
    this.#store = store;
    this.#secrets = secrets;
    this.#library = library;
    this.#dataDirectory = dataDirectory;
    this.#log = log;
    for (const record of store.repositories()) this.#records.set(record.name, record);
  }

  names(): readonly string[] {
    return [...this.#records.keys()].toSorted();
  }

  /** By name. */
  entries(): readonly RepositoryEntry[] {
    return this.names().map((name) => this.#entry(this.#record(name)));
  }

  /** The open repository; opened once and kept, tried again after a failure. Throws `TM5203` or what opening throws. */
  async open(name: string, signal: AbortSignal): Promise<Repository> {
    const record = this.#record(name);
    let opening = this.#open.get(name);
    if (opening === undefined) {
      opening = this.#openRecord(record);
      this.#open.set(name, opening);
      opening.catch(() => this.#open.delete(name));
    }
    return abortable(opening, signal);
  }

  /** Creates or attaches. Throws `TM5204` for a name that is taken, `TM4002` for a location that is, `TM1001` for one that cannot be. */
  async init(
    asked: NewRepository,
    signal: AbortSignal,
  ): Promise<{ readonly repository: RepositoryEntry; readonly recoveryKey?: string | undefined }> {
    return this.#mutex.run(async () => {
      if (this.#records.has(asked.name)) {
        throw new TidemarkError(errorCodes.repositoryNameTaken, `A repository named ${asked.name} exists already.`, {
          hint: 'Choose another name. `tidemark repo list` shows them.',
        });
      }
      const location = await this.#checkedLocation(asked.location, asked.ours === true);
      const options = { password: await this.#secrets.resolve(asked.password, signal), signal };
      const made = asked.attach
        ? { repository: await this.#library.open(location, options), recoveryKey: undefined }
        : await this.#library.create(location, options);
      if (made.recoveryKey !== undefined) this.#secrets.keepOutOfLogs(made.recoveryKey);
      try {
        const record = { name: asked.name, location, id: repositoryId(made.repository.id, 'id') };
        this.#refuseSameId(record);
        await this.#secrets.set('repositories', asked.name, asked.password);
        this.#store.putRepository(record);
        this.#records.set(record.name, record);
        this.#open.set(record.name, Promise.resolve(made.repository));
        this.#log.log('info', `${asked.attach ? 'Attached' : 'Created'} repository ${asked.name} at ${location}`);
        return { repository: this.#entry(record), recoveryKey: made.recoveryKey };
      } catch (error) {
        await made.repository.close();
        throw error;
      }
    });
  }

  /** Closes a repository and knows it no more; its files stay. Throws `TM5203`. */
  async forget(name: string): Promise<void> {
    await this.#mutex.run(async () => {
      this.#record(name);
      const opening = this.#open.get(name);
      this.#store.deleteRepository(name);
      this.#records.delete(name);
      this.#open.delete(name);
      await this.#secrets.delete('repositories', name);
      // One that could not be opened has nothing to close.
      const opened = await opening?.catch(() => undefined);
      await opened?.close();
    });
  }

  /** What `repo status` shows. */
  async status(name: string, signal: AbortSignal): Promise<RepositoryStatus> {
    const repository = await this.open(name, signal);
    return { entry: this.#entry(this.#record(name)), ...(await repository.status(signal)) };
  }

  /** Closes what is open. */
  async close(): Promise<void> {
    this.#lifetime.abort(cancelledError());
    const opened = await Promise.allSettled(this.#open.values());
    this.#open.clear();
    for (const result of opened) {
      if (result.status === 'fulfilled') await result.value.close();
    }
  }

  async #openRecord(record: RepositoryRecord): Promise<Repository> {
    const { signal } = this.#lifetime;
    const password = await this.#secrets.read('repositories', record.name, signal);
    const repository = await this.#library.open(record.location, { password, signal });
    if (repository.id === record.id) {
      for (const warning of repository.warnings) this.#log.log('warning', `Repository ${record.name}: ${warning}`);
      return repository;
    }
    await repository.close();
    throw new TidemarkError(
      errorCodes.repositoryUnavailable,
      `${record.location} holds another repository than the one known as ${record.name}.`,
      { hint: 'Perhaps the wrong disk is mounted there.' },
    );
  }

  #record(name: string): RepositoryRecord {
    const record = this.#records.get(name);
    if (record !== undefined) return record;
    throw new TidemarkError(errorCodes.repositoryUnknown, `There is no repository named ${name}.`, {
      hint: '`tidemark repo list` shows them; `tidemark repo init` adds one.',
    });
  }

  #entry(record: RepositoryRecord): RepositoryEntry {
    const { name, location } = record;
    const source = this.#secrets.find('repositories', name);
    const entry = { name, location, id: repositoryId(record.id, 'id') };
    return source === undefined ? entry : { ...entry, passwordSource: sourceKind(source) };
  }

  #refuseSameId(record: RepositoryRecord): void {
    const same = [...this.#records.values()].find((other) => other.id === record.id);
    if (same === undefined) return;
    throw new TidemarkError(errorCodes.repositoryExists, `This repository is known already, as ${same.name}.`, {
      hint: `Use ${same.name}.`,
    });
  }

  async #checkedLocation(text: string, ours: boolean): Promise<string> {
    if (!isAbsolute(text)) {
      throw new TidemarkError(errorCodes.invalidInput, 'The location of a repository must be an absolute path.', {
        hint: 'The daemon does not know the directory you are in.',
      });
    }
    const location = await realLocation(text);
    const data = await realLocation(this.#dataDirectory);
    if (!ours && overlap(location, data)) {
      throw new TidemarkError(
        errorCodes.invalidInput,
        `A repository cannot share a directory with the daemon's own data (${data}).`,
        {
          hint: 'Choose a place of its own, best on another disk.',
        },
      );
    }
    for (const other of this.#records.values()) {
      if (!overlap(location, other.location)) continue;
      throw new TidemarkError(
        errorCodes.repositoryExists,
        `${location} overlaps with repository ${other.name} at ${other.location}.`,
        {
          hint: `Use ${other.name}, or choose another place.`,
        },
      );
    }
    return location;
  }
}

/** The path without symbolic links, as far as it exists. */
async function realLocation(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT' || dirname(path) === path) throw error;
    return join(await realLocation(dirname(path)), basename(path));
  }
}

/** Whether one of the directories is, or lies in, the other. */
function overlap(a: string, b: string): boolean {
  const inside = (path: string): boolean => path === '' || (!path.startsWith('..') && !isAbsolute(path));
  return inside(relative(a, b)) || inside(relative(b, a));
}
