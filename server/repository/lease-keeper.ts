/** Takes, refreshes and judges leases. Rules: write one's own first, then look for conflicting ones, and withdraw if there are any. */
import { hash, randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname, networkInterfaces } from 'node:os';

import { systemCode } from '../base/files.ts';
import { ulid } from '../base/ulid.ts';
import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import { json } from '../protocol/parse.ts';
import type { StorageBackend } from './backend.ts';
import { HeldLease } from './held-lease.ts';
import { leaseFile } from './leases.ts';
import type { Lease, LeaseFile, LeaseInfo, LeaseKind } from './leases.ts';

const folder = 'leases';
/** A lease that was not refreshed for this long is nobody's any more, ms. */
const staleMs = 30 * 60_000;

/** Tokens of leases held by this process: one with this process's id and another token is of an earlier process. */
const ownTokens = new Set<string>();

/** Leases of one repository. */
export class LeaseKeeper {
  readonly #backend: StorageBackend;

  constructor(backend: StorageBackend) {
    this.#backend = backend;
  }

  /** Takes a lease. Throws `TM4005` when a living lease conflicts. */
  async acquire(kind: LeaseKind, note: string, signal: AbortSignal): Promise<Lease> {
    const createdMs = Math.round(await this.#backend.now());
    const file = `${folder}/${ulid()}.json`;
    const token = randomBytes(16).toString('hex');
    const content: LeaseFile = {
      version: 1,
      kind,
      note: note.slice(0, 1024),
      hostName: hostname().slice(0, 256),
      machine: machineText(),
      processId: process.pid,
      token,
      createdMs,
    };
    ownTokens.add(token);
    const lease = new HeldLease(this.#backend, file, content, () => ownTokens.delete(token));
    try {
      await lease.write(signal);
      const others = (await this.live(signal)).filter((other) => other.file !== file);
      const conflict = others.find((other) => kind === 'exclusive' || other.kind === 'exclusive');
      if (conflict !== undefined) throw locked(conflict);
    } catch (error) {
      await lease.release();
      throw error;
    }
    return lease;
  }

  /** Leases whose holders live. Leases of the dead are removed where that is possible. */
  async live(signal: AbortSignal): Promise<readonly LeaseInfo[]> {
    const now = await this.#backend.now();
    const living: LeaseInfo[] = [];
    for await (const { name, modifiedMs } of this.#backend.list(folder, signal)) {
      const content = await this.#read(name, signal);
      if (content === 'gone') continue;
      const stale = now - modifiedMs > staleMs;
      if (stale || (content !== undefined && isDead(content))) {
        await this.#remove(name);
      } else {
        // One that cannot be read may be being written, or damaged: until it is stale it counts as the strictest kind.
        living.push({ ...(content ?? unreadable), file: name, refreshedMs: modifiedMs });
      }
    }
    return living;
  }

  async #read(name: string, signal: AbortSignal): Promise<LeaseFile | 'gone' | undefined> {
    try {
      const bytes = await this.#backend.get(name, { maxBytes: 16 * 1024, signal });
      return json(Buffer.from(bytes).toString('utf8'), leaseFile, name);
    } catch (error) {
      if (TidemarkError.is(error, errorCodes.repositoryFileMissing)) return 'gone';
      if (TidemarkError.is(error, errorCodes.invalidInput)) return undefined;
      if (TidemarkError.is(error, errorCodes.repositoryCorrupt)) return undefined;
      throw error;
    }
  }

  async #remove(name: string): Promise<void> {
    try {
      await this.#backend.delete(name);
    } catch (error) {
      if (!TidemarkError.is(error, errorCodes.repositoryReadOnly)) throw error;
    }
  }
}

const unreadable: LeaseFile = {
  version: 1,
  kind: 'exclusive',
  note: 'a lease that cannot be read',
  hostName: '?',
  machine: '?',
  processId: 0,
  token: '?',
  createdMs: 0,
};

/** Whether the holder surely is gone: its process was on this machine, since this start of it, and is no more. */
function isDead(lease: LeaseFile): boolean {
  if (lease.machine !== machineText()) return false;
  if (lease.processId === process.pid) return !ownTokens.has(lease.token);
  try {
    process.kill(lease.processId, 0);
    return false;
  } catch (error) {
    return systemCode(error) === 'ESRCH';
  }
}

let machine: string | undefined;

/**
 * What tells machines apart, and on Linux also their starts and their process namespaces: process ids mean something only
 * within one. Host names alone are not enough: two machines named `localhost` may share a repository.
 */
function machineText(): string {
  if (machine !== undefined) return machine;
  const start = tryRead(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8'));
  const namespace = tryRead(() => readlinkSync('/proc/self/ns/pid'));
  const addresses = Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map((one) => one.mac));
  const identity = start === '' ? addresses.sort().join(' ') : `${start} ${namespace}`;
  machine = hash('sha256', `${hostname()} ${identity}`, 'hex');
  return machine;
}

/** These files exist on Linux only; elsewhere the rest has to do. */
function tryRead(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}

function locked(by: LeaseInfo): TidemarkError {
  const what = by.note === '' ? 'another operation' : by.note;
  return new TidemarkError(errorCodes.repositoryLocked, `The repository is in use: ${what} on ${by.hostName}.`, {
    hint: 'Try again when it has ended. What a crashed program held is free after 30 minutes at most.',
  });
}
