/** What the tests of agent and agent client share: a served fake host, connections that end with the test. */
import { once } from 'node:events';
import { connect as connectTcp, createServer } from 'node:net';
import type { Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { serveAgent } from '../../../server/agent/main.ts';
import type { RunningAgent, ServeAgentOptions } from '../../../server/agent/main.ts';
import type { Logger } from '../../../server/base/log.ts';
import { connectAgent } from '../../../server/daemon/agent-client/connection.ts';
import type { AgentConnection, ConnectOptions } from '../../../server/daemon/agent-client/connection.ts';
import { openDataConnection } from '../../../server/daemon/agent-client/data-connection.ts';
import type {
  DataAccess,
  DataConnection,
  DataConnectionOptions,
} from '../../../server/daemon/agent-client/data-connection.ts';
import { beginRestore, createCheckpoint, openExport } from '../../../server/protocol/agent.ts';
import { TidemarkError } from '../../../server/protocol/errors.ts';
import type { ErrorCode } from '../../../server/protocol/errors.ts';
import * as id from '../../../server/protocol/ids.ts';
import type { ExportId, RestoreSessionId } from '../../../server/protocol/ids.ts';
import { testCertificate } from '../../support/certificate.ts';
import { fakeConfiguration, fakeDiskId, fakeProvider, fakeVmId } from '../../support/fake-provider.ts';
import type { FakeHost } from '../../support/fake-provider.ts';

export const password = 'correct horse battery staple';
export const owner = id.ownerId('0123456789abcdef0123456789abcdef', 'owner');
export const never = new AbortController().signal;

/** An agent that serves `host`; its log is kept. */
export interface TestAgent extends RunningAgent {
  readonly log: readonly string[];
}

/** Serves `host` until the test ends. */
export async function agentFor(
  context: TestContext,
  host: FakeHost,
  options: Partial<ServeAgentOptions> & { readonly https?: boolean } = {},
): Promise<TestAgent> {
  const { https = false, ...rest } = options;
  const log: string[] = [];
  const logger: Logger = {
    log: (level, message, error) => log.push(`${level} ${message} ${error instanceof Error ? error.message : ''}`),
  };
  const agent = await serveAgent({
    provider: fakeProvider(host),
    listen: `${https ? 'https' : 'http'}://127.0.0.1:0`,
    password,
    ...(https ? { tls: testCertificate() } : {}),
    log: logger,
    signal: never,
    ...rest,
  });
  context.after(async () => agent.close());
  return { ...agent, log };
}

/** Connects; the connection ends with the test. */
export async function connectTo(
  context: TestContext,
  url: string,
  options: Partial<ConnectOptions> & { readonly password?: string; readonly pin?: string } = {},
): Promise<AgentConnection> {
  const { password: secret = password, pin, ...rest } = options;
  const connection = await connectAgent(
    { url, password: secret, certificateSha256: pin },
    { owner, client: 'test', signal: never, ...rest },
  );
  context.after(async () => connection.close());
  return connection;
}

/** Opens a data connection that ends with the test. */
export async function dataFor(
  context: TestContext,
  access: DataAccess,
  options: DataConnectionOptions = {},
): Promise<DataConnection> {
  const connection = await openDataConnection(access, never, options);
  context.after(() => connection.close());
  return connection;
}

/** Takes a checkpoint and opens its export. */
export async function exportOf(connection: AgentConnection): Promise<ExportId> {
  const runId = id.runId('01ARZ3NDEKTSV4RRFFQ69G5FAV', 'run');
  const { checkpoint } = await connection.request(
    createCheckpoint,
    { vmId: fakeVmId, runId, consistency: 'crash' },
    { signal: never },
  );
  const { exportId } = await connection.request(
    openExport,
    { checkpointId: checkpoint.id, excludeDisks: [] },
    { signal: never },
  );
  return exportId;
}

/** Begins a restore of one disk. */
export async function restoreOf(connection: AgentConnection, sizeBytes: number): Promise<RestoreSessionId> {
  const disk = { id: fakeDiskId, name: 'os', sizeBytes, logicalSectorBytes: 512, physicalSectorBytes: 4096 };
  const definition = { name: 'copy', configuration: fakeConfiguration, connectNetwork: false, disks: [disk] };
  return (await connection.request(beginRestore, definition, { signal: never })).sessionId;
}

/** Reads `ranges` and puts them together. */
export async function readAll(
  connection: DataConnection,
  exportId: ExportId,
  ranges: readonly number[],
  chunkBytes = 65_536,
): Promise<Buffer> {
  const request = connection.send({ exportId, diskId: fakeDiskId, chunkBytes, compress: false, ranges });
  const parts: Buffer[] = [];
  for (;;) {
    const frame = await connection.next();
    if (frame.request !== request) throw new Error(`an answer to request ${frame.request}`);
    if (frame.type === 'end') return Buffer.concat(parts);
    parts.push(frame.type === 'zero' ? Buffer.alloc(frame.rawBytes) : Buffer.from(frame.payload));
    connection.recycle(frame);
  }
}

/** For `assert.rejects`: a Tidemark error of this code. */
export function code(expected: ErrorCode): (error: unknown) => boolean {
  return (error) => {
    if (TidemarkError.is(error, expected)) return true;
    throw new Error(`expected ${expected}, got ${TidemarkError.is(error) ? `${error.code} ` : ''}${String(error)}`, {
      cause: error,
    });
  };
}

/** Waits until `condition` holds. */
export async function until(condition: () => boolean, timeoutMs = 10_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('it did not come true in time');
    await sleep(5);
  }
}

/** A TCP server that treats each connection with `serve`; ends with the test. */
export async function tcpServer(context: TestContext, serve: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    serve(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('no port');
  return address.port;
}

/** A raw connection to an agent; ends with the test. */
export function rawConnection(context: TestContext, url: string): Socket {
  const { port, hostname } = new URL(url);
  const socket = connectTcp(Number(port), hostname);
  socket.on('error', () => undefined);
  context.after(() => socket.destroy());
  return socket;
}
