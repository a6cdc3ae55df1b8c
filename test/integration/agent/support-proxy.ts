/** Somebody in between: proxies that record, change, cut off, or open TLS. */
import { connect as connectTcp } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls, TLSSocket } from 'node:tls';
import type { TestContext } from 'node:test';

import type { AgentTls } from '../../../server/agent/http-server.ts';
import { tcpServer } from './support.ts';

/** What one connection carried, in order. */
export interface Recorded {
  readonly fromDaemon: Buffer[];
  readonly fromAgent: Buffer[];
}

/** What a proxy does. */
export interface ProxyOptions {
  /** Opens TLS with this certificate; else bytes go through as they are. */
  readonly tls?: AgentTls;
  readonly changeFromDaemon?: (bytes: Buffer) => Buffer;
  /** Ends the connection to the daemon after so many bytes of the agent. */
  readonly cutAfterBytes?: number;
}

/** Forwards connections to the agent at `url`, whatever the daemon is told. */
export async function proxyTo(
  context: TestContext,
  url: string,
  options: ProxyOptions = {},
): Promise<{ readonly port: number; readonly connections: Recorded[] }> {
  const { protocol, port } = new URL(url);
  const { tls, changeFromDaemon = (bytes: Buffer) => bytes, cutAfterBytes = Number.POSITIVE_INFINITY } = options;
  const connections: Recorded[] = [];
  const listening = await tcpServer(context, (raw) => {
    const daemon: Socket = tls === undefined ? raw : new TLSSocket(raw, { isServer: true, ...tls });
    const target = { host: '127.0.0.1', port: Number(port), rejectUnauthorized: false };
    const agent = protocol === 'https:' && tls !== undefined ? connectTls(target) : connectTcp(target);
    const recorded: Recorded = { fromDaemon: [], fromAgent: [] };
    connections.push(recorded);
    daemon.on('error', () => agent.destroy()).on('close', () => agent.destroy());
    agent.on('error', () => daemon.destroy()).on('close', () => daemon.destroy());
    daemon.on('data', (bytes: Buffer) => {
      const sent = changeFromDaemon(bytes);
      recorded.fromDaemon.push(sent);
      agent.write(sent);
    });
    let passed = 0;
    agent.on('data', (bytes: Buffer) => {
      recorded.fromAgent.push(bytes);
      const left = cutAfterBytes - passed;
      passed += bytes.length;
      if (passed < cutAfterBytes) daemon.write(bytes);
      else if (left > 0) raw.end(bytes.subarray(0, left));
    });
  });
  return { port: listening, connections };
}
