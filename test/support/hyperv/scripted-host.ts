/** The other end of the wire of the test PowerShell's CIM cmdlets, for tests of those cmdlets: it answers what it is told to, and remembers what it was asked. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';

/** A question, parsed. */
export type Question = Readonly<Record<string, unknown>> & { readonly op: string };

export interface ScriptedHost extends AsyncDisposable {
  /** For `TIDEMARK_FAKE_HYPERV`. */
  readonly address: string;
  /** All questions so far but the one about the build. */
  readonly questions: readonly Question[];
}

/** Serves `answer` for every question, and hangs up when it gives none; `build` for the one about the build, once a process. */
export async function scriptedHost(
  answer: (question: Question) => object | undefined,
  build: object = { build: 20_348, computerName: 'HV01', hidden: [] },
): Promise<ScriptedHost> {
  const questions: Question[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    createInterface({ input: socket }).on('line', (line) => {
      const question = parseQuestion(line);
      if (question.op !== 'build') questions.push(question);
      const said = question.op === 'build' ? build : answer(question);
      if (said === undefined) socket.destroy();
      else socket.write(`${JSON.stringify(said)}\n`);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    address: `127.0.0.1:${address.port}`,
    questions,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function parseQuestion(line: string): Question {
  const question: unknown = JSON.parse(line);
  if (typeof question !== 'object' || question === null || !('op' in question) || typeof question.op !== 'string')
    throw new Error(`no question: ${line}`);
  return { ...question, op: question.op };
}
