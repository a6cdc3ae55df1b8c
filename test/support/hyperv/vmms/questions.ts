/** The questions of the wire, and their answers. */
import { setTimeout as sleep } from 'node:timers/promises';

import {
  array,
  literal,
  nullable,
  object,
  optional,
  refuse,
  string,
  union,
} from '../../../../server/protocol/parse.ts';
import type { Parsed } from '../../../../server/protocol/parse.ts';
import { TidemarkError } from '../../../../server/protocol/errors.ts';
import { mapNamed, mapsNothing } from './mapping.ts';
import { invoke } from './methods/index.ts';
import { hiddenIn } from './model/host.ts';
import { associated } from './model/associations.ts';
import { enumerate, get, ofBuild } from './model/model.ts';
import type { PathMapping } from './paths.ts';
import { hexText, isReference, value, values, WmiFailure } from './wire.ts';
import type { Instance, Reference, Value } from './wire.ts';
import type { Vmms } from './vmms.ts';

const name = string({ maxLength: 256 });
const keys = optional(values);
const source = (input: unknown, path: string): Reference => {
  const parsed = value(input, path);
  return isReference(parsed) ? parsed : refuse(path, 'a reference');
};

const question = union('op', {
  build: object({ op: literal('build') }),
  enumerate: object({
    op: literal('enumerate'),
    namespace: name,
    className: name,
    where: optional(array(object({ property: name, value: string({ allowEmpty: true }) }), 16)),
    properties: optional(nullable(array(name, 256))),
  }),
  get: object({ op: literal('get'), namespace: name, className: name, keys }),
  associated: object({
    op: literal('associated'),
    namespace: name,
    source,
    association: optional(nullable(name)),
    resultClass: optional(nullable(name)),
  }),
  invoke: object({
    op: literal('invoke'),
    namespace: name,
    className: name,
    keys,
    method: name,
    arguments: optional(values),
  }),
});
export type Question = Parsed<typeof question>;

/** How often each class was asked for, and each method called: `enumerate Msvm_ComputerSystem`, `invoke CreateSnapshot`. */
export type Counts = Map<string, number>;

/** What is asked for, in words: the operation and the class or the method. */
function subjectOf(asked: Question): { readonly label: string; readonly names: readonly string[] } {
  switch (asked.op) {
    case 'build':
      return { label: 'build', names: ['build'] };
    case 'enumerate':
    case 'get':
      return { label: `${asked.op} ${asked.className}`, names: [asked.op, asked.className] };
    case 'associated': {
      const wanted = asked.association ?? asked.resultClass ?? asked.source.className;
      return { label: `associated ${wanted}`, names: [asked.op, wanted] };
    }
    case 'invoke':
    default:
      return { label: `invoke ${asked.method}`, names: [asked.method, asked.className] };
  }
}

/** The instances with only what was asked for of them. */
function selected(instances: readonly Instance[], names: readonly string[] | undefined): readonly Instance[] {
  if (names === undefined) return instances;
  return instances.map(({ className, properties }) => {
    const chosen: Record<string, Value> = {};
    for (const wanted of names) {
      const found = properties[wanted];
      if (found !== undefined) chosen[wanted] = found;
    }
    return { className, properties: chosen };
  });
}

/** Answers the questions of one VMMS. */
export class Answers {
  readonly counts: Counts = new Map();
  readonly #mapping: PathMapping;
  readonly #vmms: () => Vmms;

  constructor(vmms: () => Vmms, mapping: PathMapping) {
    this.#vmms = vmms;
    this.#mapping = mapping;
  }

  /** The answer to a question; never settles when the question is one that hangs. */
  async answer(input: unknown): Promise<unknown> {
    try {
      const asked = question(input, 'question');
      const { label, names } = subjectOf(asked);
      this.counts.set(label, (this.counts.get(label) ?? 0) + 1);
      await this.#obstruct(names);
      return await this.#ask(asked);
    } catch (error) {
      return { error: errorAnswer(error) };
    }
  }

  async #obstruct(names: readonly string[]): Promise<void> {
    const { faults } = this.#vmms();
    if (faults.now.answerMs > 0) await sleep(faults.now.answerMs);
    if (faults.has('hang', ...names)) await new Promise<never>(() => undefined);
    if (faults.takeRpcFailure()) {
      throw new WmiFailure(0x800706be, 'Failed', 'The remote procedure call failed.');
    }
    if (faults.has('accessDenied', ...names)) throw new WmiFailure(0x80041003, 'AccessDenied', 'Access denied');
  }

  async #ask(asked: Question): Promise<unknown> {
    const vmms = this.#vmms();
    switch (asked.op) {
      case 'build': {
        const { build } = vmms.world.host;
        const hidden = [...hiddenIn(build), ...vmms.faults.now.lacks];
        return { build, computerName: vmms.world.computerName, hidden };
      }
      case 'enumerate': {
        const found = enumerate(vmms, asked.namespace, asked.className, asked.where ?? []);
        return { instances: this.#outgoing(vmms, selected(found, asked.properties ?? undefined)) };
      }
      case 'get': {
        const reference = { className: asked.className, keys: asked.keys ?? {} };
        return { instance: this.#outgoing(vmms, [get(vmms, asked.namespace, reference)])[0] };
      }
      case 'associated': {
        const { association, resultClass } = asked;
        const found = associated(vmms, asked.source, association ?? undefined, resultClass ?? undefined);
        return { instances: this.#outgoing(vmms, found) };
      }
      case 'invoke':
      default: {
        const given = mapNamed(asked.arguments ?? {}, (path) => this.#mapping.fromWire(path));
        const target = { className: asked.className, keys: asked.keys ?? {} };
        const { returnValue, out } = await invoke(vmms, asked.namespace, target, asked.method, given);
        return { returnValue, out: mapNamed(out, (path) => this.#mapping.toWire(path)) };
      }
    }
  }

  #outgoing(vmms: Vmms, instances: readonly Instance[]): readonly Instance[] {
    const ofThisBuild = instances.map((instance) => ofBuild(vmms, instance));
    if (mapsNothing(this.#mapping)) return ofThisBuild;
    return ofThisBuild.map(({ className, properties }) => ({
      className,
      properties: mapNamed(properties, (path) => this.#mapping.toWire(path)),
    }));
  }
}

/** An error as the cmdlets turn it into an exception. */
function errorAnswer(error: unknown): {
  readonly hresult: string;
  readonly nativeErrorCode: string;
  readonly message: string;
} {
  if (error instanceof WmiFailure) {
    return { hresult: hexText(error.hresult), nativeErrorCode: error.nativeErrorCode, message: error.message };
  }
  const { message } = TidemarkError.from(error);
  return { hresult: '0x80041001', nativeErrorCode: 'Failed', message };
}
