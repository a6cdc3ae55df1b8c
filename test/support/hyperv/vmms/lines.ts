/** Lines of JSON over TCP: one question at a time on each connection, as the cmdlets ask. */
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';

/** Longest question, in bytes. */
const maxLineBytes = 64 * 1024 * 1024;

/** Serves each line with `answer`, in order. A connection whose line is too long is ended. */
export function lineServer(answer: (line: string) => Promise<string>): Server {
  return createServer((socket) => {
    socket.setNoDelay(true);
    // Whoever asks may be killed at any moment.
    socket.on('error', () => socket.destroy());
    serve(socket, answer);
  });
}

function serve(socket: Socket, answer: (line: string) => Promise<string>): void {
  let pieces: Buffer[] = [];
  let bytes = 0;
  let last = Promise.resolve();
  const answerAfter = async (before: Promise<void>, line: string): Promise<void> => {
    await before;
    const text = await answer(line);
    if (!socket.destroyed) socket.write(`${text}\n`);
  };
  const take = (line: string): void => {
    if (line.trim() === '') return;
    last = answerAfter(last, line);
  };
  socket.on('data', (chunk: Buffer) => {
    let rest = chunk;
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      take(Buffer.concat([...pieces, rest.subarray(0, end)]).toString('utf8'));
      pieces = [];
      bytes = 0;
      rest = rest.subarray(end + 1);
    }
    pieces.push(rest);
    bytes += rest.length;
    if (bytes > maxLineBytes) socket.destroy();
  });
}
