/** What one authenticated daemon has open on this agent. Everything here ends with its control connection. */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Duplex } from 'node:stream';

import type { Logger } from '../base/log.ts';
import { dataProofPrefix } from '../protocol/data.ts';
import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import type { ExportId, RestoreSessionId } from '../protocol/ids.ts';
import type { HostProvider } from './provider.ts';

/** Data connections one session may ever open; nonces are remembered for all of them. */
const maxNonces = 262_144;
/** Data connections of one session at a time: several runs with all their threads. */
const maxConnections = 256;

/** Something that data connections use (an export, a restore) and that must not be closed under them. */
export class Scope {
  readonly #gone = new AbortController();
  readonly #users = new Set<Promise<void>>();

  /** Aborted when the scope closes: users stop and release. */
  get signal(): AbortSignal {
    return this.#gone.signal;
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

/** One authenticated daemon. */
export class Session {
  readonly id = randomBytes(16).toString('hex');
  readonly exports = new Map<ExportId, Scope>();
  readonly restores = new Map<RestoreSessionId, Scope>();
  /** Sockets of data connections. */
  readonly connections = new Set<Duplex>();
  readonly #dataKey: Buffer;
  readonly #nonces = new Set<string>();
  readonly #ended = new AbortController();

  constructor(dataKey: Buffer) {
    this.#dataKey = dataKey;
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

  /** Takes note of an export that was opened; closes it at once when the session ended meanwhile. */
  async keepExport(id: ExportId, provider: HostProvider): Promise<void> {
    this.exports.set(id, new Scope());
    if (this.#ended.signal.aborted) await this.closeExport(id, provider);
  }

  /** Ends the reads of an export, then closes it. */
  async closeExport(id: ExportId, provider: HostProvider): Promise<void> {
    const scope = this.exports.get(id);
    if (scope === undefined) throw notOpen('export', id);
    this.exports.delete(id);
    await scope.close(notOpen('export', id));
    await provider.closeExport(id);
  }

  /** Takes note of a restore that began; aborts it at once when the session ended meanwhile. */
  async keepRestore(id: RestoreSessionId, provider: HostProvider): Promise<void> {
    this.restores.set(id, new Scope());
    if (this.#ended.signal.aborted) await this.abortRestore(id, provider);
  }

  /** Ends the writes of a restore, then removes what it made. */
  async abortRestore(id: RestoreSessionId, provider: HostProvider): Promise<void> {
    const scope = this.restores.get(id);
    if (scope === undefined) throw notOpen('restore', id);
    this.restores.delete(id);
    await scope.close(notOpen('restore', id));
    await provider.abortRestore(id);
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
}
