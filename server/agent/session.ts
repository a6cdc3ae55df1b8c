/** What one authenticated daemon has open on this agent. Everything here ends with its control connection. */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Duplex } from 'node:stream';

import type { Logger } from '../base/log.ts';
import { dataProofPrefix } from '../protocol/data.ts';
import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import type { ExportId, OwnerId, RestoreSessionId } from '../protocol/ids.ts';
import type { AuditAction, AuditDetails, AuditLog } from './audit.ts';
import { Grants } from './grants.ts';
import type { HostProvider } from './provider.ts';

/** Data connections one session may ever open; nonces are remembered for all of them. */
const maxNonces = 262_144;
/** Data connections of one session at a time: several runs with all their threads. */
const maxConnections = 256;
/** Exports of one session at a time: far more than the runs of one daemon on one host. */
const maxExports = 64;
/** Restores of one session at a time. */
const maxRestores = 16;

/** Something that data connections use (an export, a restore) and that must not be closed under them. */
export class Scope {
  readonly #gone = new AbortController();
  readonly #users = new Set<Promise<void>>();

  /** Aborted when the scope closes: users stop and release. */
  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  /** Bytes read or written by its users. */
  bytes = 0;
  /** The VM it is about (its id, for a restore its name), for the audit log. */
  readonly vm: string | undefined;
  /** Gives back what it holds. To be called when it is gone for good. */
  readonly release: () => void;
  readonly #opened = performance.now();

  constructor(vm?: string, release: () => void = () => undefined) {
    this.vm = vm;
    this.release = release;
  }

  /** Since it was opened, ms. */
  get ageMs(): number {
    return Math.round(performance.now() - this.#opened);
  }

  get busy(): boolean {
    return this.#users.size > 0;
  }

  /** Enters as a user; the returned function leaves. */
  enter(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#users.add(promise);
    return () => {
      this.#users.delete(promise);
      resolve();
    };
  }

  /** Tells the users to stop and waits until they have. */
  async close(reason: TidemarkError): Promise<void> {
    this.#gone.abort(reason);
    await Promise.all(this.#users);
  }
}

/** The error of an export or restore that this session does not have. */
export function notOpen(what: 'export' | 'restore', id: string): TidemarkError {
  return new TidemarkError(errorCodes.exportNotFound, `The ${what} ${id} is not open.`, {
    hint: 'It ended with the connection that opened it, or the agent was restarted. Run the operation again.',
  });
}

/** The error of a daemon that asks for more than one may have at a time. */
export function tooMany(what: string, limit: number): TidemarkError {
  return new TidemarkError(errorCodes.agentBusy, `The agent keeps at most ${limit} ${what} of one daemon at a time.`, {
    hint: 'Let some of them end first.',
  });
}

/** Who uses a session, for the audit log. */
export interface SessionUser {
  readonly address: string;
  readonly owner?: OwnerId;
}

/** One authenticated daemon. */
export class Session {
  readonly id = randomBytes(16).toString('hex');
  readonly exports = new Map<ExportId, Scope>();
  readonly restores = new Map<RestoreSessionId, Scope>();
  /** Sockets of data connections. */
  readonly connections = new Set<Duplex>();
  /** Checkpoints this session was told about. */
  readonly grants = new Grants();
  user: SessionUser;
  readonly #audit: AuditLog;
  readonly #dataKey: Buffer;
  readonly #nonces = new Set<string>();
  readonly #ended = new AbortController();
  /** Exports and restores that are being opened. */
  #opening = { export: 0, restore: 0 };

  constructor(dataKey: Buffer, user: SessionUser, audit: AuditLog) {
    this.#dataKey = dataKey;
    this.user = user;
    this.#audit = audit;
  }

  /** Aborted when the session is over. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** Checks a data connection's proof (constant time) and uses its nonce up; gives the agent's own proof, or undefined when it is refused. */
  admit(nonce: string, proof: string): string | undefined {
    if (this.#ended.signal.aborted || !/^[0-9a-f]{32}$/.test(nonce) || !/^[0-9a-f]{64}$/.test(proof)) return undefined;
    if (!timingSafeEqual(Buffer.from(proof, 'hex'), this.#prove('daemon', nonce))) return undefined;
    if (this.#nonces.has(nonce) || this.#nonces.size >= maxNonces) return undefined;
    if (this.connections.size >= maxConnections) return undefined;
    this.#nonces.add(nonce);
    return this.#prove('agent', nonce).toString('hex');
  }

  #prove(side: keyof typeof dataProofPrefix, nonce: string): Buffer {
    return createHmac('sha256', this.#dataKey)
      .update(dataProofPrefix[side] + nonce)
      .digest();
  }

  /** Opens an export as long as there are not too many; closes it at once when the session ended meanwhile. Throws `TM2008`, and what `open` throws. */
  async openExport<T extends { readonly id: ExportId }>(
    vm: string | undefined,
    provider: HostProvider,
    open: () => Promise<T>,
  ): Promise<T> {
    return this.#counted('export', this.exports, maxExports, async () => {
      const opened = await open();
      this.exports.set(opened.id, new Scope(vm));
      if (this.#ended.signal.aborted) await this.closeExport(opened.id, provider);
      return opened;
    });
  }

  /** Ends the reads of an export, then closes it. */
  async closeExport(id: ExportId, provider: HostProvider): Promise<void> {
    const scope = this.exports.get(id);
    if (scope === undefined) throw notOpen('export', id);
    this.exports.delete(id);
    await this.audited(
      'export-closed',
      { export: id, vm: scope.vm },
      async () => {
        await scope.close(notOpen('export', id));
        await provider.closeExport(id);
      },
      () => ({ bytesRead: scope.bytes, ms: scope.ageMs }),
    );
  }

  /**
   * Begins a restore as long as there are not too many; aborts it at once when the session ended meanwhile. `hold` takes the memory that it holds until it has ended. Throws
   * `TM2008`, and what `begin` throws.
   */
  async beginRestore(
    vm: string,
    provider: HostProvider,
    hold: () => () => void,
    begin: () => Promise<RestoreSessionId>,
  ): Promise<RestoreSessionId> {
    return this.#counted('restore', this.restores, maxRestores, async () => {
      const release = hold();
      const id = await begin().catch((error: unknown) => {
        release();
        throw error;
      });
      this.restores.set(id, new Scope(vm, release));
      if (this.#ended.signal.aborted) await this.abortRestore(id, provider);
      return id;
    });
  }

  /** Ends the writes of a restore, then removes what it made. */
  async abortRestore(id: RestoreSessionId, provider: HostProvider): Promise<void> {
    const scope = this.restores.get(id);
    if (scope === undefined) throw notOpen('restore', id);
    this.restores.delete(id);
    await this.audited(
      'restore-aborted',
      { restore: id, vmName: scope.vm },
      async () => {
        await scope.close(notOpen('restore', id));
        scope.release();
        await provider.abortRestore(id);
      },
      () => ({ bytesWritten: scope.bytes, ms: scope.ageMs }),
    );
  }

  /** Ends everything. Checkpoints stay: whether they are still of use only the daemon knows, and it cleans up when it comes back. */
  async end(provider: HostProvider, log: Logger): Promise<void> {
    this.#ended.abort(new TidemarkError(errorCodes.agentConnectionLost, 'The session has ended.'));
    for (const socket of this.connections) socket.destroy();
    const closing = [
      ...[...this.exports.keys()].map(async (id) => {
        log.log('warning', `closing export ${id}: its control connection ended`);
        await this.closeExport(id, provider);
      }),
      ...[...this.restores.keys()].map(async (id) => {
        log.log('warning', `aborting restore ${id}: its control connection ended`);
        await this.abortRestore(id, provider);
      }),
    ];
    for (const outcome of await Promise.allSettled(closing)) {
      if (outcome.status === 'rejected') log.log('error', 'cleaning up after a session failed', outcome.reason);
    }
  }

  /** Runs `work` and puts how it ended into the audit log, with who asked for it. */
  async audited<T>(
    action: AuditAction,
    about: AuditDetails,
    work: () => Promise<T>,
    details?: (result: T) => AuditDetails,
  ): Promise<T> {
    return this.auditedOn(action, about, work, details);
  }

  /** As `audited`, for what is found out about its object only on the way. */
  async auditedOn<T>(
    action: AuditAction,
    known: AuditDetails,
    work: (about: { vm?: string | undefined }) => Promise<T>,
    details: (result: T) => AuditDetails = () => ({}),
  ): Promise<T> {
    const about: { vm?: string | undefined } = {};
    try {
      const result = await work(about);
      this.#audit.note({ action, ...this.user, ...known, ...about, ...details(result), result: 'ok' });
      return result;
    } catch (error) {
      this.#audit.note({ action, ...this.user, ...known, ...about, result: TidemarkError.from(error).code });
      throw error;
    }
  }

  async #counted<T>(
    what: 'export' | 'restore',
    open: ReadonlyMap<unknown, Scope>,
    limit: number,
    work: () => Promise<T>,
  ): Promise<T> {
    if (open.size + this.#opening[what] >= limit) throw tooMany(`${what}s`, limit);
    this.#opening[what] += 1;
    try {
      return await work();
    } finally {
      this.#opening[what] -= 1;
    }
  }
}
