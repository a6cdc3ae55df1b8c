/** `config.json` and its copy: what a repository is, in plain text. Format: docs/repository-format.md, "Configuration". */
import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import type { RepositoryId } from '../protocol/ids.ts';
import { repositoryId } from '../protocol/ids.ts';
import { timestamp } from '../protocol/model.ts';
import { array, integer, literal, object, string } from '../protocol/parse.ts';
import type { Parsed } from '../protocol/parse.ts';
import type { StorageBackend } from './backend.ts';
import { decodeSelfChecked, encodeSelfChecked } from './self-checked.ts';

export const configFile = 'config.json';
export const configCopy = 'config.json.bak';
const maxConfigBytes = 64 * 1024;
const supportedVersion = 1;
const magic = 'tidemark-repository';

const feature = array(string({ maxLength: 64 }), 64);
const envelope = object({ magic: literal(magic), version: integer(1, 65_535) });
const config = object({
  magic: literal(magic),
  version: integer(1, 65_535),
  id: repositoryId,
  createdAt: timestamp,
  /** Names of features that a program must know to read, write or collect garbage. None exist yet. */
  features: object({ read: feature, write: feature, gc: feature }),
  ids: literal('hmac-sha256-of-sha256'),
  encryption: literal('aes-256-gcm/key-per-id'),
  compression: literal('zstd'),
});
export type RepositoryConfig = Parsed<typeof config>;

/** What `readConfig` found. */
export interface FoundConfig {
  readonly config: RepositoryConfig;
  /** The file of the two that is damaged or missing. */
  readonly broken: string | undefined;
}

/** The configuration of a new repository. */
export function newConfig(id: RepositoryId, createdAt: string): RepositoryConfig {
  return {
    magic,
    version: supportedVersion,
    id,
    createdAt,
    features: { read: [], write: [], gc: [] },
    ids: 'hmac-sha256-of-sha256',
    encryption: 'aes-256-gcm/key-per-id',
    compression: 'zstd',
  };
}

/** The file for a configuration. */
export function encodeConfig(value: RepositoryConfig): Buffer {
  return encodeSelfChecked(value);
}

/** Reads the configuration, or its copy. Throws `TM4001` when neither is there, `TM4008` when both are damaged, `TM4004`. */
export async function readConfig(backend: StorageBackend, location: string, signal: AbortSignal): Promise<FoundConfig> {
  const main = await tryRead(backend, configFile, signal);
  const copy = await tryRead(backend, configCopy, signal);
  const found = main.config ?? copy.config;
  if (found !== undefined) {
    if (main.config === undefined) return { config: found, broken: configFile };
    return { config: found, broken: copy.config?.id === found.id ? undefined : configCopy };
  }
  if (main.error === undefined && copy.error === undefined) {
    throw new TidemarkError(errorCodes.repositoryNotFound, `There is no repository at ${location}.`, {
      hint: 'Check the location and that its disk is mounted; `tidemark repo init` makes a new repository.',
    });
  }
  throw new TidemarkError(errorCodes.repositoryCorrupt, `${configFile} and its copy at ${location} are damaged.`, {
    hint: 'Bring one of them back from a copy of the repository.',
    cause: main.error ?? copy.error,
  });
}

/** Whose configuration lies in the storage. It is asked before everything that is done there, so what a file said before is kept. */
export class PresentId {
  readonly #backend: StorageBackend;
  #known: { readonly file: Uint8Array; readonly id: RepositoryId } | undefined;

  constructor(backend: StorageBackend) {
    this.#backend = backend;
  }

  /** The repository's id now, `damaged` when there is a configuration that cannot be read, undefined when there is none. Throws `TM4004`. */
  async read(signal: AbortSignal): Promise<RepositoryId | 'damaged' | undefined> {
    let damaged = false;
    for (const name of [configFile, configCopy]) {
      const { file, error: unreadable } = await readFile(this.#backend, name, signal);
      if (file !== undefined && this.#known !== undefined && Buffer.compare(file, this.#known.file) === 0) {
        return this.#known.id;
      }
      const { config: found, error = unreadable } = file === undefined ? {} : decode(file, name);
      if (file !== undefined && found !== undefined) {
        this.#known = { file, id: found.id };
        return found.id;
      }
      damaged ||= error !== undefined;
    }
    return damaged ? 'damaged' : undefined;
  }
}

async function tryRead(
  backend: StorageBackend,
  name: string,
  signal: AbortSignal,
): Promise<{ readonly config?: RepositoryConfig; readonly error?: unknown }> {
  const { file, error } = await readFile(backend, name, signal);
  if (file !== undefined) return decode(file, name);
  return error === undefined ? {} : { error };
}

async function readFile(
  backend: StorageBackend,
  name: string,
  signal: AbortSignal,
): Promise<{ readonly file?: Uint8Array; readonly error?: unknown }> {
  try {
    return { file: await backend.get(name, { maxBytes: maxConfigBytes, signal }) };
  } catch (error) {
    if (TidemarkError.is(error, errorCodes.repositoryFileMissing)) return {};
    if (TidemarkError.is(error, errorCodes.repositoryCorrupt)) return { error };
    throw error;
  }
}

function decode(file: Uint8Array, name: string): { readonly config?: RepositoryConfig; readonly error?: unknown } {
  try {
    refuseNewer(decodeSelfChecked(file, envelope, name).version);
    const decoded = decodeSelfChecked(file, config, name);
    refuseUnknownFeatures(decoded.features.read);
    return { config: decoded };
  } catch (error) {
    if (TidemarkError.is(error, errorCodes.repositoryTooNew)) throw error;
    return { error };
  }
}

function refuseNewer(version: number): void {
  if (version > supportedVersion) {
    throw tooNew(`The repository has format version ${version}; this Tidemark knows ${supportedVersion}.`);
  }
}

/** Refuses an operation that needs features this version does not know. Throws `TM4004`. */
export function refuseUnknownFeatures(features: readonly string[]): void {
  if (features.length > 0)
    throw tooNew(`The repository uses features that this Tidemark does not know: ${features.join(', ')}.`);
}

function tooNew(message: string): TidemarkError {
  return new TidemarkError(errorCodes.repositoryTooNew, message, { hint: 'Update Tidemark on this machine.' });
}
