/** Who may be connected without having proved the password: few, for a short time, and slower with each wrong guess. */
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const maxWaiting = 64;
const maxWaitingPerAddress = 32;
const deadlineMs = 10_000;
/** A wrong password costs its connection's place for this long: 1, 2, 4, then 8 s, forgotten a minute after the last one. */
const firstPenaltyMs = 1000;
const maxPenaltyMs = 8000;
const forgetMs = 60_000;

interface Place {
  readonly address: string;
  readonly deadline: NodeJS.Timeout;
  /** Whether a penalty keeps the place beyond the end of the connection. */
  held: boolean;
}

/** What identifies a connection on its raw and on its TLS socket. Undefined once the peer is gone. */
export function connectionKey(socket: Socket): string | undefined {
  const { remoteAddress, remotePort } = socket;
  return remoteAddress === undefined || remotePort === undefined ? undefined : `${remoteAddress}|${remotePort}`;
}

/** Counts connections that have not authenticated yet. */
export class ConnectionGate {
  readonly #places = new Map<string, Place>();
  readonly #log: (message: string) => void;
  readonly #stopped = new AbortController();
  #failures = 0;
  #lastFailure = 0;

  constructor(log: (message: string) => void) {
    this.#log = log;
  }

  /** Gives a new connection a place and 10 s, or destroys it when there are too many. */
  admit(socket: Socket): void {
    const key = connectionKey(socket);
    const address = socket.remoteAddress;
    if (key === undefined || address === undefined) {
      socket.destroy();
      return;
    }
    const sameAddress = [...this.#places.values()].filter((place) => place.address === address).length;
    if (this.#places.size >= maxWaiting || sameAddress >= maxWaitingPerAddress) {
      this.#log(`refused a connection from ${address}: too many that have not authenticated`);
      socket.destroy();
      return;
    }
    const deadline = setTimeout(() => socket.destroy(), deadlineMs);
    const place: Place = { address, deadline, held: false };
    this.#places.set(key, place);
    socket.once('close', () => {
      if (!place.held) this.#free(key, place);
    });
  }

  /** The connection has authenticated: it gives up its place and keeps no deadline. */
  pass(key: string): void {
    const place = this.#places.get(key);
    if (place !== undefined) this.#free(key, place);
  }

  /**
   * A wrong password: waits before the answer. The place is kept for the whole time even when the connection closes,
   * so that hanging up early does not buy a faster next guess. A right password never waits.
   */
  async penalty(key: string): Promise<void> {
    const now = Date.now();
    this.#failures = now - this.#lastFailure > forgetMs ? 1 : this.#failures + 1;
    this.#lastFailure = now;
    const waitMs = Math.min(maxPenaltyMs, firstPenaltyMs * 2 ** Math.min(this.#failures - 1, 8));
    const place = this.#places.get(key);
    if (place !== undefined) place.held = true;
    try {
      await sleep(waitMs, undefined, { signal: this.#stopped.signal });
    } finally {
      if (place !== undefined) this.#free(key, place);
    }
  }

  /** Ends waiting penalties and deadlines. */
  stop(): void {
    this.#stopped.abort();
    for (const [key, place] of this.#places) this.#free(key, place);
  }

  #free(key: string, place: Place): void {
    clearTimeout(place.deadline);
    if (this.#places.get(key) === place) this.#places.delete(key);
  }
}
