/** The daemon's control connection to an agent: authenticated both ways, typed requests, loss noticed promptly. */
import type { MessageConnection } from 'vscode-jsonrpc/node';

import { certificateSha256, endPointBinding } from '../../base/channel-binding.ts';
import { messageConnection } from '../../base/json-rpc.ts';
import { silentLogger } from '../../base/log.ts';
import { ScramClient } from '../../base/scram.ts';
import type { ChannelBinding } from '../../base/scram.ts';
import { agentProtocol, controlPath, controlUpgrade, hello, scramFinal, scramFirst } from '../../protocol/agent.ts';
import type { JobKind } from '../../protocol/agent.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import type { OwnerId } from '../../protocol/ids.ts';
import type { RequestMessage } from '../../protocol/message.ts';
import type { HostInfo } from '../../protocol/model.ts';
import type { Logger } from '../../base/log.ts';
import { ControlChannel, defaultHeartbeatMs, limitUntilTrusted, maxControlMessageBytes } from './control-channel.ts';
import type { DataAccess } from './data-access.ts';
import { dial, notAnAgent, parseAgentUrl } from './dial.ts';
import type { AgentAddress, Dialled } from './dial.ts';

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
  /** Milliseconds between signs of life; an agent that sends nothing for three of them is given up. Default 15,000. */
  readonly heartbeatMs?: number;
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

/** What every plain connection is warned of. */
export const plainHttpWarning =
  'This connection uses plain http: passwords are never sent, but data and commands are not encrypted and can be read and changed on the way. Use https for anything but tests.';

/**
 * Connects and authenticates. Throws `TM2001` (unreachable), `TM2002` (wrong password, or an agent that does not know it),
 * `TM2003` (certificate), `TM2004` (not an agent), `TM2005` (lost), `TM2006` (version).
 */
export async function connectAgent(target: AgentTarget, options: ConnectOptions): Promise<AgentConnection> {
  const address = parseAgentUrl(target.url);
  const timeoutMs = options.timeoutMs ?? 15_000;
  const deadline = new AbortController();
  const timer = setTimeout(
    () => deadline.abort(notAnAgent(target.url, 'it does not finish the authentication in time')),
    timeoutMs,
  );
  try {
    const dialled = await dial(address, {
      path: controlPath,
      upgrade: controlUpgrade,
      signal: options.signal,
      timeoutMs,
      certificateSha256: target.certificateSha256,
    });
    return await authenticate(target, address, dialled, options, AbortSignal.any([deadline.signal, options.signal]));
  } finally {
    clearTimeout(timer);
  }
}

/** What the exchange is bound to. Over https there is no exchange without a certificate: that would be open to anybody in between. */
function bindingTo(address: AgentAddress, certificate: Buffer | undefined): ChannelBinding {
  if (!address.tls) return { type: 'none' };
  if (certificate === undefined) {
    throw new TidemarkError(errorCodes.agentCertificateMismatch, `The agent at ${address.url} showed no certificate.`, {
      hint: 'Start the agent with a certificate and a key.',
    });
  }
  return endPointBinding(certificate);
}

async function authenticate(
  target: AgentTarget,
  address: AgentAddress,
  { socket, certificate }: Dialled,
  options: ConnectOptions,
  signal: AbortSignal,
): Promise<AgentConnection> {
  const trust = limitUntilTrusted(target.url, socket);
  const rpc: MessageConnection = messageConnection(socket, maxControlMessageBytes);
  const channel = new ControlChannel(target.url, socket, rpc, options.log ?? silentLogger);
  try {
    const scram = new ScramClient(target.password, bindingTo(address, certificate));
    const first = await channel.exchange(scramFirst, { message: scram.first() }, signal);
    const final = await channel.exchange(scramFinal, { message: await scram.final(first.message) }, signal);
    const dataKey = scram.verify(final.message);
    trust();
    const greeting = await channel.request(
      hello,
      { protocol: agentProtocol, client: options.client, owner: options.owner },
      { signal },
    );
    if (greeting.protocol < agentProtocol.min || greeting.protocol > agentProtocol.max) {
      throw new TidemarkError(
        errorCodes.agentVersionMismatch,
        `The agent at ${target.url} (version ${greeting.agentVersion}) speaks protocol ${greeting.protocol}, which this daemon does not.`,
        { hint: 'Update the older one of daemon and agent.' },
      );
    }
    channel.establish(options.onClose, options.heartbeatMs ?? defaultHeartbeatMs);
    const pin = certificate === undefined ? {} : { certificateSha256: certificateSha256(certificate) };
    return {
      host: greeting.host,
      agentVersion: greeting.agentVersion,
      ...pin,
      warnings: address.tls ? [] : [plainHttpWarning],
      closed: channel.closed,
      request: async (message, params, requestOptions) => channel.request(message, params, requestOptions),
      data: { ...address, sessionId: final.sessionId, dataKey, ...pin },
      close: async () => channel.close(),
    };
  } catch (error) {
    channel.drop();
    throw error;
  }
}
