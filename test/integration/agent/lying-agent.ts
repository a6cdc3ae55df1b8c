/** An agent that says what a test wants it to say: right up to the upgrade, free after it. */
import { createHmac, randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import type { TestContext } from 'node:test';

import { frameHeader } from '../../../server/base/frames.ts';
import { messageConnection } from '../../../server/base/json-rpc.ts';
import { scramCredential, ScramServer } from '../../../server/base/scram.ts';
import type { DataAccess } from '../../../server/daemon/agent-client/data-connection.ts';
import { scramFinal, scramFirst } from '../../../server/protocol/agent.ts';
import { dataProofPrefix, frameEncoding, frameType, nonceHeader, proofHeader } from '../../../server/protocol/data.ts';
import type { FrameHeader } from '../../../server/protocol/data.ts';
import { password, tcpServer } from './support.ts';

/** Takes the head of the upgrade request and answers `101`; `proof` makes the data proof from the nonce. */
async function upgrade(socket: Socket, protocol: string, extra: (head: string) => string = () => ''): Promise<void> {
  let head = '';
  while (!head.includes('\r\n\r\n')) {
    const bytes = await new Promise<Buffer>((resolve) => {
      socket.once('data', resolve);
    });
    head += bytes.toString('latin1');
  }
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n${extra(head)}\r\n`);
}

/** A data endpoint that proves itself and then does what `serve` does, from the first request on. */
export async function lyingData(context: TestContext, serve: (socket: Socket) => void): Promise<DataAccess> {
  const dataKey = randomBytes(32);
  const port = await tcpServer(context, (socket) => {
    const proofOf = (head: string): string => {
      const nonce = new RegExp(`${nonceHeader}: ([0-9a-f]+)`).exec(head)?.[1] ?? '';
      const proof = createHmac('sha256', dataKey).update(dataProofPrefix.agent + nonce);
      return `${proofHeader}: ${proof.digest('hex')}\r\n`;
    };
    void upgrade(socket, 'tidemark-data', proofOf).then(() => serve(socket));
  });
  return { url: `http://127.0.0.1:${port}`, host: '127.0.0.1', port, tls: false, sessionId: 'ab'.repeat(16), dataKey };
}

/** A control endpoint that upgrades and then does what `serve` does. Gives its URL. */
export async function lyingControl(context: TestContext, serve: (socket: Socket) => void): Promise<string> {
  const port = await tcpServer(context, (socket) => {
    void upgrade(socket, 'tidemark-control').then(() => serve(socket));
  });
  return `http://127.0.0.1:${port}`;
}

/** A control endpoint that authenticates rightly; then `answer` gives the result of each request, or undefined for silence. */
export async function authenticControl(
  context: TestContext,
  answer: (method: string, socket: Socket) => unknown,
): Promise<string> {
  const credential = await scramCredential(password);
  return lyingControl(context, (socket) => {
    const rpc = messageConnection(socket, 1024 * 1024);
    const scram = new ScramServer(credential, { type: 'none' });
    rpc.onRequest(scramFirst.method, (params: unknown) => ({
      message: scram.first(scramFirst.params(params, '').message),
    }));
    rpc.onRequest(scramFinal.method, (params: unknown) => ({
      message: scram.final(scramFinal.params(params, '').message).message,
      sessionId: 'ab'.repeat(16),
    }));
    rpc.onRequest((method: string) => answer(method, socket) ?? new Promise(() => undefined));
    rpc.listen();
  });
}

/** A frame with defaults that are right for the first chunk of request 1; `payload` fixes both sizes unless they are given. */
export function frame(header: Partial<FrameHeader>, payload: Uint8Array = new Uint8Array()): Buffer {
  const sizes = { rawBytes: payload.length, storedBytes: payload.length };
  const base = { type: frameType.data, encoding: frameEncoding.raw, request: 1, offset: 0 };
  return Buffer.concat([frameHeader({ ...base, ...sizes, ...header }), payload]);
}
