import type { GateClock } from '../base/connection-gate.ts';

/** How long an agent waits for daemons. Tests wait less. */
export interface AgentTiming {
  /** A connection must have proved that it knows the password within this, ms. */
  readonly authenticationMs: number;
  /** Silence after which a daemon is given up, ms; a daemon sends something at least every 15 s. */
  readonly silenceMs: number;
  /** Without a frame for this long a busy agent sends `wait`, ms. */
  readonly quietMs: number;
  /** What the first wrong password costs, ms; doubled with each further one, up to eight times as much. */
  readonly penaltyMs: number;
  /** The clock of what is said to those who guess; the machine's own unless a test gives another. */
  readonly clock?: GateClock | undefined;
}

/** The times that docs/protocol.md states. */
export const agentTiming: AgentTiming = {
  authenticationMs: 10_000,
  silenceMs: 60_000,
  quietMs: 15_000,
  penaltyMs: 1000,
};
