/** Who may be connected without having proved the password: few, for a short time, and slower with each wrong guess. */
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import { sourceOf } from './addresses.ts';

const maxWaiting = 64;
const maxWaitingPerSource = 32;
/** A wrong password costs its connection's place for 1, 2, 4, then 8 s; a minute after the last one it begins anew. */
const maxPenaltyDoublings = 3;
const forgetMs = 60_000;

/** Time as the gate sees it; tests have their own. */
export interface GateClock {
  /** Milliseconds; only differences mean something. */
  readonly now: () => number;
  /** Resolves after `ms` milliseconds, rejects when `signal` aborts. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** The machine's own clock, which never goes back. */
export const systemGateClock: GateClock = {
  now: () => performance.now(),
  sleep: async (ms, signal) => sleep(ms, undefined, { signal }),
};

/** How long an endpoint waits for those who have not authenticated. */
export interface GateTiming {
  /** A connection must have proved that it knows the password within this, ms. */
  readonly authenticationMs: number;
  /** What the first wrong password costs, ms; doubled with each further one, up to eight times as much. */
  readonly penaltyMs: number;
  readonly clock?: GateClock | undefined;
}

interface Place {
  /** Whom it counts for (base/addresses.ts). */
  readonly source: string;
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
  readonly #timing: GateTiming;
  readonly #clock: GateClock;
  /** Sources from which somebody has proved the password: strangers cannot take the last places from them. */
  readonly #known = new Set<string>();
  readonly #stopped = new AbortController();
  #failures = 0;
  #lastFailure = Number.NEGATIVE_INFINITY;

  constructor(log: (message: string) => void, timing: GateTiming) {
    this.#log = log;
    this.#timing = timing;
    this.#clock = timing.clock ?? systemGateClock;
  }

  /** Gives a new connection a place and some seconds, or destroys it when there are too many. */
  admit(socket: Socket): void {
    const key = connectionKey(socket);
    const address = socket.remoteAddress;
    if (key === undefined || address === undefined) {
      socket.destroy();
      return;
    }
    const source = sourceOf(address);
    const sameSource = [...this.#places.values()].filter((place) => place.source === source).length;
    const crowded = this.#places.size >= maxWaiting && !this.#known.has(source);
    if (crowded || sameSource >= maxWaitingPerSource) {
      this.#log(`refused a connection from ${address}: too many that have not authenticated`);
      socket.destroy();
      return;
    }
    const deadline = setTimeout(() => socket.destroy(), this.#timing.authenticationMs);
    const place: Place = { source, deadline, held: false };
    this.#places.set(key, place);
    socket.once('close', () => {
      if (!place.held) this.#free(key, place);
    });
  }

  /** The connection has authenticated: it gives up its place and keeps no deadline. */
  pass(key: string): void {
    const place = this.#places.get(key);
    if (place === undefined) return;
    this.#known.add(place.source);
    this.#free(key, place);
  }

  /**
   * A wrong password: waits before the answer. The place is kept for the whole time even when the connection closes,
   * so that hanging up early does not buy a faster next guess. A right password never waits.
   */
  async penalty(key: string): Promise<void> {
    const now = this.#clock.now();
    this.#failures = now - this.#lastFailure > forgetMs ? 1 : this.#failures + 1;
    this.#lastFailure = now;
    const waitMs = this.#timing.penaltyMs * 2 ** Math.min(this.#failures - 1, maxPenaltyDoublings);
    const place = this.#places.get(key);
    if (place !== undefined) place.held = true;
    try {
      await this.#clock.sleep(waitMs, this.#stopped.signal);
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
