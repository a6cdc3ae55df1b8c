/**
 * Judges what a module says to the CIM cmdlets by the schema: names of classes, methods, parameters, properties, and types where they can be
 * seen. The module calls the cmdlets in a few functions only (`cim-calls.ts` has them), so their callers are judged.
 */
import { basename } from 'node:path';

import { argumentsByRole, fits, roles, wrappers } from './cim-calls.ts';
import type { Role } from './cim-calls.ts';
import type { Complaint } from './language.ts';
import type { Command, FileReport, Value } from './report.ts';
import type { CimClass, CimType, FindClass, Parameter } from './schema.ts';

/** Classes of objects that come without being asked for: `CimException.ErrorData`. */
const unnamedClasses = ['MSFT_WmiError'];

/** Everything that the schema does not have. */
export function judgeCim(files: readonly FileReport[], find: FindClass): readonly Complaint[] {
  const names = [...unnamedClasses, ...files.flatMap(({ classNames }) => classNames.map(({ text }) => text))];
  const used = [...new Set(names)].flatMap((name) => find(name) ?? []);
  return files.flatMap((file) => new Judge(file, find, used).judge());
}

const unknown: Value = { kind: 'other', text: null, cast: null, entries: null, items: null };

class Judge {
  readonly #file: FileReport;
  readonly #find: FindClass;
  /** All classes that the module names. */
  readonly #used: readonly CimClass[];
  readonly #complaints: Complaint[] = [];

  constructor(file: FileReport, find: FindClass, used: readonly CimClass[]) {
    this.#file = file;
    this.#find = find;
    this.#used = used;
  }

  judge(): readonly Complaint[] {
    for (const { line, text } of this.#file.classNames)
      if (this.#find(text) === undefined) this.#say(line, `the schema has no class ${text}`);
    for (const command of this.#file.commands) this.#command(command);
    return this.#complaints;
  }

  #say(line: number, what: string): void {
    this.#complaints.push({ file: this.#file.path, line, what });
  }

  #command(command: Command): void {
    const list = roles.get(command.name?.toLowerCase() ?? '');
    if (list === undefined) return;
    const given = argumentsByRole(command, list);
    const classes = this.#classesOf(command, given);
    const isWrapper = roles.has(command.function?.toLowerCase() ?? '');
    for (const role of ['class', 'association', 'method'] as const)
      if (given.get(role)?.kind === 'variable' && !isWrapper && !wrappers.includes(command.name?.toLowerCase() ?? ''))
        this.#say(command.line, `the ${role} that ${command.name} is given cannot be seen here`);
    const method = given.get('method');
    if (method?.kind === 'text') this.#method(command, classes, method.text ?? '', given);
    for (const role of ['values', 'where'] as const)
      for (const { line, key, value } of given.get(role)?.entries ?? []) this.#property(line, classes, key, value);
    const names = given.get('property');
    for (const name of names?.items ?? (names === undefined ? [] : [names]))
      if (name.kind === 'text') this.#property(command.line, classes, name.text, given.get('value'));
    const out = given.get('out');
    if (out?.kind === 'text') this.#out(command.line, out.text ?? '');
  }

  /** The class that is asked for, else that of the variable's object, else all that the module names. */
  #classesOf(command: Command, given: ReadonlyMap<Role, Value>): readonly CimClass[] {
    const name = given.get('class');
    if (name !== undefined) {
      if (name.kind === 'text' && !/^(Msvm|CIM|Win32|MSFT)_/i.test(name.text ?? ''))
        this.#say(command.line, `the schema has no class ${name.text}`);
      const found = name.kind === 'text' ? this.#find(name.text ?? '') : undefined;
      return found === undefined ? this.#used : [found];
    }
    const variable =
      given.get('instance')?.kind === 'variable' ? given.get('instance')?.text?.toLowerCase() : undefined;
    const sources = this.#file.assignments.filter(
      (one) => one.variable.toLowerCase() === variable && one.function === command.function,
    );
    const classes = sources.map((one) => this.#classGivenBy(this.#file.commands[one.command]));
    return classes.length > 0 && classes.every((one) => one !== undefined) ? classes : this.#used;
  }

  #classGivenBy(command: Command | undefined): CimClass | undefined {
    const list = roles.get(command?.name?.toLowerCase() ?? '');
    if (
      command === undefined ||
      list === undefined ||
      !/^(get-(hypervservice|singleinstance|ciminstance)|new-embeddedinstance)$/i.test(command.name ?? '')
    )
      return undefined;
    const name = argumentsByRole(command, list).get('class');
    return name?.kind === 'text' ? this.#find(name.text ?? '') : undefined;
  }

  #method(command: Command, classes: readonly CimClass[], method: string, given: ReadonlyMap<Role, Value>): void {
    const parameters = classes.flatMap((one) =>
      one.methods.has(method.toLowerCase()) ? [one.methods.get(method.toLowerCase()) ?? []] : [],
    );
    if (parameters.length === 0) {
      this.#say(command.line, `${classNames(classes)} has no method ${method}`);
      return;
    }
    const name = given.get('parameter');
    const passed = name?.kind === 'text' ? [{ line: command.line, key: name.text, value: unknown }] : [];
    for (const { line, key, value } of [...passed, ...(given.get('arguments')?.entries ?? [])]) {
      if (key === null) continue;
      const candidates = parameters.flatMap((list) => list.filter((one) => isIn(one, key)));
      if (candidates.length === 0) this.#say(line, `${method} has no parameter ${key} to give`);
      else this.#value(line, `${method}(${key})`, candidates, value);
    }
  }

  #property(line: number, classes: readonly CimClass[], name: string | null, value: Value | undefined): void {
    if (name === null) return;
    const candidates = classes.flatMap((one) => one.properties.get(name.toLowerCase()) ?? []);
    if (candidates.length === 0) this.#say(line, `${classNames(classes)} has no property ${name}`);
    else if (value !== undefined) this.#value(line, name, candidates, value);
  }

  #out(line: number, name: string): void {
    const known = this.#used.some(({ methods }) =>
      [...methods.values()].some((list) =>
        list.some((one) => one.direction !== 'in' && one.parameter.toLowerCase() === name.toLowerCase()),
      ),
    );
    if (!known) this.#say(line, `no method has the out parameter ${name}`);
  }

  /** A value whose type can be seen must have one of these types. */
  #value(line: number, what: string, candidates: readonly CimType[], value: Value): void {
    if (!candidates.some((type) => fits(type, value)))
      this.#say(
        line,
        `${what} is ${candidates.map((type) => type.name + (type.array ? '[]' : '')).join(' or ')}, not ${seen(value)}`,
      );
  }
}

const isIn = (one: Parameter, key: string): boolean =>
  (one.direction === 'in' || one.direction === 'inout') && one.parameter.toLowerCase() === key.toLowerCase();

function seen(value: Value): string {
  if (value.cast !== null) return `[${value.cast}]`;
  return value.kind === 'number' ? `${value.text} without a type` : `a ${value.kind}`;
}

const classNames = (classes: readonly CimClass[]): string =>
  classes.length === 1 ? (classes[0]?.name ?? '') : 'no class that the module names';

/** For messages: without the folder. */
export const placeOf = ({ file, line }: Complaint): string => `${basename(file)}:${line}`;
