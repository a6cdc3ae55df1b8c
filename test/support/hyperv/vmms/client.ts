/** Asks a VMMS as the C# cmdlets do: lines of JSON, one question at a time. */
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';

import { array, object, optional, record, refuse, string, integer } from '../../../../server/protocol/parse.ts';
import type { Parser } from '../../../../server/protocol/parse.ts';
import { virtualization } from './paths.ts';
import { isInstance, isReference, value, values } from './wire.ts';
import type { Condition, Instance, Reference, Value } from './wire.ts';

const instance: Parser<Instance> = (input, path) => {
  const parsed = value(input, path);
  return isInstance(parsed) ? parsed : refuse(path, 'an instance');
};
const wireError = object({ hresult: string(), nativeErrorCode: string(), message: string({ allowEmpty: true }) });
const failed = object({ error: optional(wireError) });
const instances = object({ instances: array(instance) });
const invoked = object({ returnValue: integer(0, 4_294_967_295), out: values });

/** The error answer of a VMMS. */
export class AnsweredError extends Error {
  override readonly name = 'AnsweredError';
  readonly hresult: string;

  constructor(hresult: string, message: string) {
    super(`${hresult} ${message}`);
    this.hresult = hresult;
  }
}

/** A connection to a VMMS. */
export class VmmsClient {
  readonly #socket: Socket;
  readonly #answers: AsyncIterator<string>;

  private constructor(socket: Socket) {
    this.#socket = socket;
    const lines = createInterface({ input: socket });
    socket.on('close', () => lines.close());
    this.#answers = lines[Symbol.asyncIterator]();
  }

  static async connect(address: string): Promise<VmmsClient> {
    const [host = '', port = ''] = address.split(':');
    const socket = connect(Number(port), host);
    await once(socket, 'connect');
    return new VmmsClient(socket);
  }

  /** Asks anything. Throws `AnsweredError`. */
  async ask<T>(question: object, parser: Parser<T>): Promise<T> {
    this.#socket.write(`${JSON.stringify(question)}\n`);
    const next = await this.#answers.next();
    if (next.done === true) throw new Error('The VMMS is gone.');
    const answer: unknown = JSON.parse(next.value);
    const { error } = failed(answer, 'answer');
    if (error !== undefined) throw new AnsweredError(error.hresult, error.message);
    return parser(answer, 'answer');
  }

  async enumerate(
    className: string,
    where: readonly Condition[] = [],
    namespace = virtualization,
  ): Promise<readonly Instance[]> {
    return (await this.ask({ op: 'enumerate', namespace, className, where }, instances)).instances;
  }

  async get({ className, keys }: Reference): Promise<Instance> {
    return (await this.ask({ op: 'get', namespace: virtualization, className, keys }, object({ instance }))).instance;
  }

  async associated(
    source: Reference,
    association: string | null,
    resultClass: string | null,
  ): Promise<readonly Instance[]> {
    const question = { op: 'associated', namespace: virtualization, source, association, resultClass };
    return (await this.ask(question, instances)).instances;
  }

  /** Calls a method of an instance, or of a service by its class alone. */
  invoke(
    target: Reference | string,
    method: string,
    given: Readonly<Record<string, Value>>,
  ): Promise<{ readonly returnValue: number; readonly out: Readonly<Record<string, Value>> }> {
    const { className, keys } = typeof target === 'string' ? { className: target, keys: {} } : target;
    return this.ask({ op: 'invoke', namespace: virtualization, className, keys, method, arguments: given }, invoked);
  }

  /** Gives an order to the fake itself. */
  async control(order: object): Promise<unknown> {
    return (
      await this.ask(
        { op: 'control', ...order },
        record((result) => result),
      )
    )['result'];
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** The job in the out parameters of a method. */
export function jobOf(out: Readonly<Record<string, Value>>): Reference {
  const job = out['Job'];
  if (!isReference(job)) throw new Error('There is no job.');
  return job;
}
