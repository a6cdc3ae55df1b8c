/** The daemon as a process: who it is, how it is, how it ends. */
import { notification, request } from '../message.ts';
import * as model from '../model.ts';
import { boolean, integer, object, oneOf, optional, string } from '../parse.ts';
import type { Parsed } from '../parse.ts';

/** Lowest and highest protocol this build speaks. */
export const daemonProtocol = { min: 1, max: 1 } as const;

const nothing = object({});
export const hello = request(
  'tidemark/daemon/hello',
  object({ protocol: object({ min: integer(1), max: integer(1) }), client: string({ maxLength: 128 }) }),
  object({ protocol: integer(1), daemonVersion: string({ maxLength: 64 }), instance: string({ maxLength: 64 }) }),
);

export const daemonStatus = object({
  version: string({ maxLength: 64 }),
  pid: integer(1),
  startedAt: model.timestamp,
  dataDirectory: string({ maxLength: 4096 }),
  logFile: string({ maxLength: 4096 }),
  activeRuns: integer(),
  hosts: integer(),
  repositories: integer(),
  /** Name of the daemon's machine, for people. */
  machine: string({ maxLength: 256 }),
  /** How paths on that machine are written. */
  platform: oneOf('posix', 'windows'),
  /** Where clients on other machines connect: `https://…`; absent when the daemon listens locally only. */
  remoteUrl: optional(string({ maxLength: 2048 })),
  /** Where metrics are read: `http://…/metrics`; absent when the daemon offers none. */
  metricsUrl: optional(string({ maxLength: 2048 })),
  /** The daemon ends by itself after so many minutes without client and run; absent when it stays. */
  exitsWhenIdleMinutes: optional(integer(1)),
});
export type DaemonStatus = Parsed<typeof daemonStatus>;
export const getDaemonStatus = request('tidemark/daemon/status', nothing, daemonStatus);

/** Stops the daemon. While runs are active it refuses with `TM5005` unless `cancelRuns` is set. */
export const stopDaemon = request('tidemark/daemon/stop', object({ cancelRuns: boolean }), nothing);

/**
 * The daemon begins to stop: runs that are active clean up first, then this connection ends. No request is worth sending any more.
 * Sent to every client that said hello.
 */
export const daemonWillStop = notification(
  'tidemark/daemon/willStop',
  object({
    /** `requested`: by a client; `signal`: by the system or Ctrl-C; `idle`: nobody needed it. */
    reason: oneOf('requested', 'signal', 'idle'),
  }),
);
