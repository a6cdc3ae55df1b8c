/** The daemon's control connection to an agent: authenticated both ways, typed requests, loss noticed promptly. */
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import type { JobKind } from '../../protocol/agent.ts';
import type { OwnerId } from '../../protocol/ids.ts';
import type { RequestMessage } from '../../protocol/message.ts';
import type { HostInfo } from '../../protocol/model.ts';
import type { Logger } from '../../base/log.ts';
import type { DataAccess } from './data-access.ts';

/** Which agent to talk to, and how to know that it is the right one. */
export interface AgentTarget {
  /** `http://host:port` or `https://host:port`. */
  readonly url: string;
  readonly password: string;
  /** SHA-256 of the agent's certificate (DER), 64 hex digits; when given, any other certificate is refused with `TM2003`. */
  readonly certificateSha256?: string | undefined;
}

/** How to connect. */
export interface ConnectOptions {
  readonly owner: OwnerId;
  /** What calls itself, for the agent's log: `tidemark 0.1.0`. */
  readonly client: string;
  readonly signal: AbortSignal;
  /** Milliseconds for the whole of connecting and authenticating; default 15,000. */
  readonly timeoutMs?: number;
  /** Called once when an established connection is gone; `error` is undefined after `close()`. */
  readonly onClose?: (error: TidemarkError | undefined) => void;
  readonly log?: Logger;
}

/** How to make one request. */
export interface RequestOptions {
  /**
   * Aborting asks the agent to cancel and waits a few seconds for its answer, so that a result that came all the same
   * (a checkpoint that was made) is returned rather than lost; then throws `TM1999`.
   */
  readonly signal: AbortSignal;
  /** Progress of the host's job; only for requests whose params take a `job`. */
  readonly onJob?: (kind: JobKind, percent: number) => void;
}

/** An established connection. */
export interface AgentConnection {
  readonly host: HostInfo;
  readonly agentVersion: string;
  /** SHA-256 of the certificate the agent showed, hex; absent over plain http. Store it to pin the agent. */
  readonly certificateSha256?: string;
  /** What the user must know about this connection: that it is not encrypted. */
  readonly warnings: readonly string[];
  /** Aborted when the connection is gone; the reason is a `TidemarkError`. */
  readonly closed: AbortSignal;
  /** Sends a request and parses its result. Throws what the agent reported, `TM2005` when the connection is lost, `TM2004` for a result that does not parse. */
  request<P, R>(message: RequestMessage<P, R>, params: P, options: RequestOptions): Promise<R>;
  /** What `openDataConnection` needs; can be posted to a worker thread. A secret: never log it. */
  readonly data: DataAccess;
  /** Ends the connection. The agent closes the exports and aborts the restores it opened. */
  close(): Promise<void>;
}

/**
 * Connects and authenticates. Throws `TM2001` (unreachable), `TM2002` (wrong password, or an agent that does not know it),
 * `TM2003` (certificate), `TM2004` (not an agent), `TM2005` (lost), `TM2006` (version).
 */
export async function connectAgent(target: AgentTarget, _options: ConnectOptions): Promise<AgentConnection> {
  throw new TidemarkError(errorCodes.internal, `Not connected to ${target.url}.`);
}
