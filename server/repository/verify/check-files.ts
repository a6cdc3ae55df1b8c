/** Checks every file of a repository that is not a pack. */
import { hash } from 'node:crypto';

import { errorCodes, throwIfAborted, TidemarkError } from '../../protocol/errors.ts';
import { restorePointId } from '../../protocol/ids.ts';
import type { RestorePointId } from '../../protocol/ids.ts';
import type { StoredFile } from '../backend.ts';
import { configCopy, configFile } from '../config.ts';
import type { RepositoryCore } from '../core.ts';
import { keySlot } from '../key-slot.ts';
import { leaseFile } from '../leases.ts';
import type { StoredRestorePoint } from '../model.ts';
import { parsePackName } from '../pack-toc.ts';
import { openPin } from '../pin-store.ts';
import { PointStore } from '../point-store.ts';
import { FileSealer, maxSealedBytes, sealedKind } from '../sealed-file.ts';
import type { SealedKind } from '../sealed-file.ts';
import { decodeSelfChecked } from '../self-checked.ts';
import { json } from '../../protocol/parse.ts';
import type { Findings } from './findings.ts';

const ulid = '[0-7][0-9A-HJKMNP-TV-Z]{25}';
const places = {
  config: /^config\.json(\.bak)?$/,
  slot: /^keys\/[0-9a-f]{32}\.json$/,
  segment: /^index\/[0-9a-f]{64}$/,
  point: new RegExp(`^points/[0-9A-F-]{36}/(${ulid})\\.rp$`),
  lease: new RegExp(`^leases/${ulid}\\.json$`),
  condemned: new RegExp(`^gc/condemned-${ulid}$`),
  damage: new RegExp(`^damage/${ulid}$`),
  pin: new RegExp(`^pins/${ulid}\\.pin$`),
} as const;
type Place = keyof typeof places;

/** The restore points that can be read, read anew; the others become problems. All ids are told to `findings`. */
export async function checkPoints(
  core: RepositoryCore,
  findings: Findings,
  signal: AbortSignal,
): Promise<readonly StoredRestorePoint[]> {
  // A store of its own: the repository's keeps points whose file did not change its time, as bits that flip do not.
  const store = new PointStore(core.backend, new FileSealer(core.keys, core.id));
  const { points, damaged } = await store.list(signal);
  const damagedIds = damaged.map(({ file }) => pointIdOf(file));
  findings.setPoints([...points.map((point) => point.id), ...damagedIds.flatMap((id) => id ?? [])]);
  for (const [index, { file, error }] of damaged.entries()) {
    const id = damagedIds[index];
    findings.add(file, error, id === undefined ? [] : [id]);
  }
  return points;
}

/** Checks all files but packs and restore points, whose names `onPack` and `checkPoints` deal with; returns the bytes read. */
export async function checkFiles(
  core: RepositoryCore,
  findings: Findings,
  onPack: (file: StoredFile) => void,
  signal: AbortSignal,
): Promise<number> {
  const checker = new FileChecker(core, findings, signal);
  for await (const file of core.backend.list('', signal)) {
    throwIfAborted(signal);
    if (parsePackName(file.name) !== undefined) onPack(file);
    else await checker.check(file);
  }
  await checker.finish();
  return checker.readBytes;
}

class FileChecker {
  readBytes = 0;
  readonly #core: RepositoryCore;
  readonly #findings: Findings;
  readonly #signal: AbortSignal;
  readonly #sealer: FileSealer;
  readonly #configs = new Map<string, Uint8Array>();

  constructor(core: RepositoryCore, findings: Findings, signal: AbortSignal) {
    this.#core = core;
    this.#findings = findings;
    this.#signal = signal;
    this.#sealer = new FileSealer(core.keys, core.id);
  }

  async check(file: StoredFile): Promise<void> {
    const place = placeOf(file.name);
    if (place === 'point') return;
    if (place === undefined) {
      this.#findings.add(file.name, foreignFile(file.name), []);
      return;
    }
    try {
      const bytes = await this.#core.backend.get(file.name, { maxBytes: 2 * maxSealedBytes, signal: this.#signal });
      this.readBytes += bytes.length;
      this.#checkContent(place, file.name, bytes);
    } catch (error) {
      throwIfAborted(this.#signal);
      // Leases, records and segments come and go while others work.
      const gone = TidemarkError.is(error, errorCodes.repositoryFileMissing);
      if (!gone) this.#findings.add(file.name, error, place === 'config' || place === 'slot' ? 'all' : []);
    }
  }

  /** The two copies of the configuration must be there and be the same. */
  async finish(): Promise<void> {
    for (const name of [configFile, configCopy]) {
      if (this.#configs.has(name) || this.#findings.has(name)) continue;
      const missing = new TidemarkError(errorCodes.repositoryFileMissing, `${name} is missing from the repository.`, {
        hint: `Copy ${name === configFile ? configCopy : configFile} to ${name}.`,
      });
      this.#findings.add(name, missing, 'all');
    }
    const [main, copy] = [this.#configs.get(configFile), this.#configs.get(configCopy)];
    if (main === undefined || copy === undefined || Buffer.compare(main, copy) === 0) return;
    this.#findings.add(configCopy, changed(configCopy, `differs from ${configFile}`), 'all');
  }

  #checkContent(place: Exclude<Place, 'point'>, name: string, bytes: Uint8Array): void {
    switch (place) {
      case 'config':
        decodeSelfChecked(bytes, (value) => value, name);
        this.#configs.set(name, bytes);
        return;
      case 'slot': {
        const slot = decodeSelfChecked(bytes, keySlot, name);
        if (`keys/${slot.id}.json` !== name) throw changed(name, 'is another slot');
        if (slot.repository !== this.#core.id) throw changed(name, 'belongs to another repository');
        return;
      }
      case 'segment':
        if (`index/${hash('sha256', bytes, 'hex')}` !== name)
          throw changed(name, 'does not have the content of its name');
        this.#sealer.open(sealedKind.segment, 'index', bytes, name);
        return;
      case 'lease':
        json(Buffer.from(bytes).toString('utf8'), leaseFile, name);
        return;
      case 'condemned':
        this.#checkSealed(sealedKind.condemned, name, bytes);
        return;
      case 'damage':
        this.#checkSealed(sealedKind.damage, name, bytes);
        return;
      case 'pin':
        openPin(this.#sealer, name, bytes);
        return;
    }
  }

  #checkSealed(kind: SealedKind, name: string, bytes: Uint8Array): void {
    this.#sealer.open(kind, name, bytes, name);
  }
}

function placeOf(name: string): Place | undefined {
  for (const place of ['config', 'slot', 'segment', 'point', 'lease', 'condemned', 'damage', 'pin'] as const) {
    if (places[place].test(name)) return place;
  }
  return undefined;
}

function pointIdOf(file: string): RestorePointId | undefined {
  const id = places.point.exec(file)?.[1];
  return id === undefined ? undefined : restorePointId(id, 'restore point');
}

function foreignFile(name: string): TidemarkError {
  return new TidemarkError(errorCodes.repositoryCorrupt, `${name} is not a file of a repository.`, {
    hint: 'Nothing needs it. Move it elsewhere.',
  });
}

function changed(name: string, how: string): TidemarkError {
  return new TidemarkError(errorCodes.repositoryCorrupt, `${name} in the repository ${how}.`, {
    hint: 'Check the disk of the repository.',
  });
}
