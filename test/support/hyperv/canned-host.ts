/** A host that answers the CIM cmdlets of the test PowerShell with instances that the test gives: for tests that want odd answers, not a Hyper-V. */
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';

import { object, optional, string } from '../../../server/protocol/parse.ts';
import { listening } from '../servers.ts';

const question = object({ op: string(), className: optional(string()), method: optional(string()) });

/** An error of WMI. */
export interface CannedError {
  readonly hresult: string;
  readonly nativeErrorCode: string;
  readonly message: string;
}
/** Instances by class: what an enumeration of that class gives, whatever it asks for. `*` is every class that is not named. */
export type Canned = Readonly<Record<string, readonly Readonly<Record<string, unknown>>[] | CannedError>>;

/** What methods answer, by name. */
export type CannedMethods = Readonly<
  Record<string, { readonly returnValue: number; readonly out: Readonly<Record<string, unknown>> }>
>;

/** Starts one for a test; its address. */
export async function cannedHost(
  t: TestContext,
  instances: () => Canned,
  methods: () => CannedMethods = () => ({}),
): Promise<string> {
  const server = createServer((socket) => {
    createInterface({ input: socket }).on('line', (line) => {
      const asked = question(JSON.parse(line), 'question');
      const answer = answerTo(asked, instances(), methods());
      socket.write(`${JSON.stringify(answer)}\n`);
    });
    socket.on('error', () => undefined);
    t.after(() => socket.destroy());
  });
  t.after(() => server.close());
  return `127.0.0.1:${await listening(server)}`;
}

function answerTo(asked: ReturnType<typeof question>, instances: Canned, methods: CannedMethods): unknown {
  const { op, className = '', method = '' } = asked;
  if (op === 'build') return { build: 20_348, computerName: 'HV01', hidden: [] };
  if (op === 'invoke') return methods[method] ?? { error: { hresult: '0x80041055', message: `no method ${method}` } };
  const found = op === 'enumerate' ? (instances[className] ?? instances['*'] ?? []) : [];
  return 'hresult' in found ? { error: found } : { instances: found.map((properties) => ({ className, properties })) };
}
