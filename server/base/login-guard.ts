/**
 * Failed logins, at an agent and at a daemon that serves other machines: counted for each address, which is refused outright for longer and longer; told in the log and the
 * audit log without drowning them. The owner at another address is never locked out, and this computer itself is only slowed down (connection-gate.ts): whoever can log in
 * here could restart the program, and the administrator must get in while somebody guesses.
 */
import type { TidemarkError } from '../protocol/errors.ts';
import { isLoopback, plainAddress, sourceOf } from './addresses.ts';
import type { LineBudget } from './line-budget.ts';
import { lockedOut, waitText } from './locked-out.ts';
import type { Logger } from './log.ts';

/** When an address is locked out, and for how long. */
export interface LockOutPolicy {
  /** Failures in a row that an address has free. */
  readonly freeFailures: number;
  /** The first lock-out, ms; each further failure doubles it. */
  readonly firstMs: number;
  readonly maxMs: number;
  /** A row of failures is forgotten so long after the last one, ms. */
  readonly forgetMs: number;
  /** Addresses remembered at a time. */
  readonly maxSources: number;
  /** Addresses that are never locked out. */
  readonly exempt: (address: string) => boolean;
}

/** The policy that docs/security.md states. */
export const lockOutPolicy: LockOutPolicy = {
  freeFailures: 5,
  firstMs: 60_000,
  maxMs: 3_600_000,
  forgetMs: 24 * 3_600_000,
  maxSources: 4096,
  exempt: isLoopback,
};

/** Of a long row, these are told one by one; then every doubling, and once a day. */
const toldSingly = 8;
const dayMs = 24 * 3_600_000;

/** A row of failures from one address. */
interface Row {
  failures: number;
  /** Attempts refused because of a lock-out. */
  refused: number;
  lastFailure: number;
  lockedUntil: number;
  toldAt: number;
  /** Failures and refusals when it was last told. */
  told: number;
}

/** A login, as an audit log has it. */
export interface LoginEvent {
  readonly action: 'login';
  readonly result: string;
  readonly [detail: string]: string | number | undefined;
}

/** Where logins are noted. */
export interface LoginLog {
  note(event: LoginEvent): void;
}

/** What a guard works with. */
export interface LoginGuardOptions {
  readonly policy: LockOutPolicy;
  /** Milliseconds; only differences mean something. */
  readonly now: () => number;
  readonly log: Logger;
  readonly audit: LoginLog;
  /** Shared by all that strangers can have written. */
  readonly budget: LineBudget;
}

/** Watches over the logins of one listener. */
export class LoginGuard {
  readonly #options: LoginGuardOptions;
  /** By source, the one that failed last at the end. */
  readonly #rows = new Map<string, Row>();

  constructor(options: LoginGuardOptions) {
    this.#options = options;
  }

  /** Milliseconds for which logins from that address are refused; 0 when they are not. Counts nothing. */
  lockedMs(address: string): number {
    const row = this.#rows.get(sourceOf(address));
    return row === undefined ? 0 : Math.max(0, row.lockedUntil - this.#options.now());
  }

  /** Throws `TM2007` when the address is locked out, and counts the attempt. */
  check(address: string): void {
    const leftMs = this.lockedMs(address);
    if (leftMs === 0) return;
    const source = sourceOf(address);
    const row = this.#rows.get(source);
    if (row !== undefined) {
      row.refused += 1;
      if (isPowerOfTwo(row.refused)) this.#tell(source, row, 'locked-out');
    }
    throw lockedOut(leftMs);
  }

  /** A wrong password came from that address. */
  failed(address: string): void {
    const { policy, now } = this.#options;
    const source = sourceOf(address);
    const time = now();
    let row = this.#rows.get(source);
    if (row !== undefined && time - row.lastFailure > policy.forgetMs) {
      this.#forget(source, row);
      row = undefined;
    }
    row ??= { failures: 0, refused: 0, lastFailure: time, lockedUntil: 0, toldAt: 0, told: 0 };
    this.#rows.delete(source);
    this.#makeRoom(time);
    this.#rows.set(source, row);
    row.failures += 1;
    row.lastFailure = time;
    if (row.failures >= policy.freeFailures && !policy.exempt(address)) {
      const doublings = Math.min(row.failures - policy.freeFailures, 30);
      row.lockedUntil = time + Math.min(policy.maxMs, policy.firstMs * 2 ** doublings);
    }
    const worthALine = row.failures <= toldSingly || isPowerOfTwo(row.failures) || time - row.toldAt >= dayMs;
    if (worthALine) this.#tell(source, row, 'wrong-password');
  }

  /** The right password came from that address. */
  succeeded(address: string): void {
    const source = sourceOf(address);
    const row = this.#rows.get(source);
    if (row !== undefined) this.#forget(source, row);
    this.#options.audit.note({ action: 'login', result: 'ok', address: plainAddress(address) });
  }

  /** A login failed for another reason: somebody in between, or garbage. */
  odd(address: string, error: TidemarkError): void {
    const { budget, log, audit } = this.#options;
    budget.spend((leftOut) => {
      log.log('warning', `a daemon at ${address} was refused: ${error.message}${alsoLeftOut(leftOut)}`);
      audit.note({ action: 'login', result: error.code, address: plainAddress(address), ...omitted(leftOut) });
    });
  }

  /** Tells what was counted and not told yet. */
  close(): void {
    for (const [source, row] of this.#rows) this.#forget(source, row);
  }

  #forget(source: string, row: Row): void {
    this.#rows.delete(source);
    if (row.failures + row.refused > row.told) this.#tell(source, row, 'end-of-row');
  }

  /** Of a full table the oldest row that locks nobody out goes, else the oldest one. */
  #makeRoom(time: number): void {
    if (this.#rows.size < this.#options.policy.maxSources) return;
    let victim: readonly [string, Row] | undefined;
    for (const entry of this.#rows) {
      victim ??= entry;
      if (entry[1].lockedUntil > time) continue;
      victim = entry;
      break;
    }
    if (victim !== undefined) this.#forget(...victim);
  }

  #tell(source: string, row: Row, result: 'wrong-password' | 'locked-out' | 'end-of-row'): void {
    const { budget, log, audit, now } = this.#options;
    const { failures, refused } = row;
    row.toldAt = now();
    row.told = failures + refused;
    const lockedSeconds = Math.ceil(Math.max(0, row.lockedUntil - now()) / 1000);
    const lock = lockedSeconds > 0 ? `, refused for ${waitText(lockedSeconds * 1000)}` : '';
    budget.spend((leftOut) => {
      log.log(
        'warning',
        `wrong password from ${source}: ${failures} in a row${lock}, ${refused} refused unheard${alsoLeftOut(leftOut)}`,
      );
      audit.note({ action: 'login', result, address: source, failures, refused, lockedSeconds, ...omitted(leftOut) });
    });
  }
}

const isPowerOfTwo = (value: number): boolean => Number.isInteger(Math.log2(value));
const alsoLeftOut = (count: number): string => (count === 0 ? '' : ` (${count} lines about other strangers left out)`);
const omitted = (count: number): { readonly linesLeftOut?: number } => (count === 0 ? {} : { linesLeftOut: count });
