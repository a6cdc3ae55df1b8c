/** A host that answers the CIM cmdlets of the test PowerShell with instances that the test gives: for tests that want odd answers, not a Hyper-V. */
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';

import { object, optional, string } from '../../../server/protocol/parse.ts';
import { listening } from '../servers.ts';

const question = object({ op: string(), className: optional(string()) });

/** Instances by class: what an enumeration of that class gives, whatever it asks for. */
export type Canned = Readonly<Record<string, readonly Readonly<Record<string, unknown>>[]>>;

/** Starts one for a test; its address. */
export async function cannedHost(t: TestContext, instances: () => Canned): Promise<string> {
  const server = createServer((socket) => {
    createInterface({ input: socket }).on('line', (line) => {
      const asked = question(JSON.parse(line), 'question');
      const { className = '' } = asked;
      const properties = asked.op === 'enumerate' ? (instances()[className] ?? []) : [];
      const answer =
        asked.op === 'build'
          ? { build: 20_348, computerName: 'HV01', hidden: [] }
          : { instances: properties.map((entry) => ({ className, properties: entry })) };
      socket.write(`${JSON.stringify(answer)}\n`);
    });
    socket.on('error', () => undefined);
    t.after(() => socket.destroy());
  });
  t.after(() => server.close());
  return `127.0.0.1:${await listening(server)}`;
}
