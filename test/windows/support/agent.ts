/** An agent under Wine, seen from Linux: over TCP, as a daemon sees it. */
import assert from 'node:assert/strict';
import { createServer } from 'node:net';

import { connectAgent } from '../../../server/daemon/agent-client/connection.ts';
import type { HostInfo } from '../../../server/protocol/model.ts';
import * as id from '../../../server/protocol/ids.ts';
import type { Wine } from './wine.ts';

export const agentService = 'TidemarkAgent';
export const password = 'correct horse battery staple';
const owner = id.ownerId('0123456789abcdef0123456789abcdef', 'owner');

/** Where an agent answers, and by what it is known. */
export interface AgentAddress {
  readonly url: string;
  readonly certificateSha256: string;
}

/** A port that nobody listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  assert(typeof address === 'object' && address !== null);
  return address.port;
}

/** Logs in as a daemon does, over TLS bound to the certificate; gives what the agent says of its host. */
export async function logIn(
  { url, certificateSha256 }: AgentAddress,
  secret = password,
): Promise<HostInfo & { readonly version: string }> {
  const signal = AbortSignal.timeout(30_000);
  const connection = await connectAgent(
    { url, password: secret, certificateSha256 },
    { owner, client: 'rehearsal', signal },
  );
  try {
    return { ...connection.host, version: connection.agentVersion };
  } finally {
    connection.close();
  }
}

/** The address of an installed agent, from the certificate in its data folder. */
export async function installedAgent(
  wine: Wine,
  port: number,
  dataPath = String.raw`C:\ProgramData\Tidemark Agent`,
): Promise<AgentAddress> {
  const { X509Certificate } = await import('node:crypto');
  const certificate = new X509Certificate(wine.read(String.raw`${dataPath}\certificate.pem`));
  const certificateSha256 = certificate.fingerprint256.replaceAll(':', '').toLowerCase();
  return { url: `https://127.0.0.1:${port}`, certificateSha256 };
}

/** The Windows process that serves now, as the agent's log has it. */
export function servingProcess(wine: Wine, dataPath = String.raw`C:\ProgramData\Tidemark Agent`): number {
  const log = wine.read(String.raw`${dataPath}\logs\agent.log`);
  const found = [...log.matchAll(/starts, process (\d+)/g)].at(-1)?.[1];
  assert(found !== undefined, 'the log names the process');
  return Number(found);
}
