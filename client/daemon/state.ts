/** Whether this window has a daemon, for everybody who shows or needs one. */
import type { TidemarkError } from '../../server/protocol/errors.ts';

/** What starting is busy with. */
export type StartStep = 'connecting' | 'finding-node' | 'installing' | 'starting';

/** A difference between the versions of this extension and the daemon that does no harm but is worth a line. */
export type VersionNote =
  /** Ours is newer; the daemon is busy and is kept until its runs have ended. */
  | { readonly kind: 'older-daemon'; readonly daemonVersion: string; readonly activeRuns: number }
  /** The daemon is newer than this window, and still speaks its protocol. */
  | { readonly kind: 'newer-daemon'; readonly daemonVersion: string };

export type ConnectionState =
  /** Nobody needed a daemon yet, or it was stopped on purpose. */
  | { readonly kind: 'disconnected'; readonly reason: 'not-used' | 'stopped' }
  | { readonly kind: 'starting'; readonly step: StartStep }
  | {
      readonly kind: 'connected';
      readonly daemonVersion: string;
      readonly instance: string;
      readonly note?: VersionNote | undefined;
    }
  /** The connection was lost; tried again by itself. `nextAt` is in ms since 1970. */
  | {
      readonly kind: 'reconnecting';
      readonly attempt: number;
      readonly nextAt: number;
      readonly error: TidemarkError;
    }
  /** Not tried again by itself: the user has to do what the error says. */
  | { readonly kind: 'failed'; readonly error: TidemarkError };
