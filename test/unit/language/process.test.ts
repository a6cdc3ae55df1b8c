/** The server as a process of its own: it answers over both transports, and ends with its editor. */
import assert from 'node:assert/strict';
import { fork, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, it } from 'node:test';

import {
  createProtocolConnection,
  ExitNotification,
  InitializeRequest,
  IPCMessageReader,
  IPCMessageWriter,
  ShutdownRequest,
  StreamMessageReader,
  StreamMessageWriter,
} from 'vscode-languageserver-protocol/node';
import type { MessageReader, MessageWriter, ProtocolConnection } from 'vscode-languageserver-protocol/node';

const main = fileURLToPath(new URL('../../../server/language/main.ts', import.meta.url));

async function connected(reader: MessageReader, writer: MessageWriter): Promise<ProtocolConnection> {
  const connection = createProtocolConnection(reader, writer);
  connection.onRequest('tidemark/language/inventory', () => ({ applied: [], trusted: false }));
  connection.onRequest('tidemark/language/files', () => ({ files: [] }));
  connection.listen();
  const { serverInfo } = await connection.sendRequest(InitializeRequest.type, {
    processId: process.pid,
    rootUri: null,
    capabilities: {},
    initializationOptions: { documentation: 'https://docs.example' },
  });
  assert.equal(serverInfo?.name, 'tidemark-policy-language');
  return connection;
}

function exitCode(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => child.once('exit', resolve));
}

describe('the process of the language server', () => {
  it('answers over IPC, and ends with code 0 when it is told to', async () => {
    const child = fork(main, ['--node-ipc']);
    const ended = exitCode(child);
    const connection = await connected(new IPCMessageReader(child), new IPCMessageWriter(child));
    await connection.sendRequest(ShutdownRequest.type);
    await connection.sendNotification(ExitNotification.type);
    assert.equal(await ended, 0);
  });

  it('ends when the channel to its editor is closed without a word', async () => {
    const child = fork(main, ['--node-ipc']);
    const ended = exitCode(child);
    await connected(new IPCMessageReader(child), new IPCMessageWriter(child));
    child.disconnect();
    assert.equal(await ended, 1);
  });

  it('answers over standard streams, and ends when they are closed', async () => {
    const child = spawn(process.execPath, [main, '--stdio'], { stdio: ['pipe', 'pipe', 'inherit'] });
    const ended = exitCode(child);
    await connected(new StreamMessageReader(child.stdout), new StreamMessageWriter(child.stdin));
    child.stdin.end();
    assert.equal(await ended, 1);
  });
});
