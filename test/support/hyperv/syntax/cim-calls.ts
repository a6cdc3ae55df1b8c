/** Which commands carry names of CIM, in which parameter, and which values fit which type. */
import type { Command, Value } from './report.ts';
import type { CimType } from './schema.ts';

/** What a parameter of a function or cmdlet means. */
export type Role =
  | 'instance'
  | 'class'
  | 'association'
  | 'method'
  | 'parameter'
  | 'arguments'
  | 'values'
  | 'where'
  | 'property'
  | 'value'
  | 'out'
  | 'other';

/** Parameters in their order, with what they mean. */
export const roles: ReadonlyMap<string, readonly (readonly [parameter: string, role: Role])[]> = new Map(
  Object.entries({
    'Get-CimInstance': [
      ['ClassName', 'class'],
      ['Property', 'property'],
    ],
    'Get-CimAssociatedInstance': [
      ['InputObject', 'instance'],
      ['Association', 'association'],
      ['ResultClassName', 'class'],
    ],
    'Get-CimClass': [['ClassName', 'class']],
    'New-CimInstance': [
      ['ClassName', 'class'],
      ['Property', 'values'],
    ],
    'Invoke-CimMethod': [
      ['InputObject', 'instance'],
      ['MethodName', 'method'],
      ['Arguments', 'arguments'],
    ],
    'Get-HypervInstance': [
      ['Class', 'class'],
      ['Where', 'where'],
    ],
    'Get-SingleInstance': [
      ['Class', 'class'],
      ['Where', 'where'],
    ],
    'Get-HypervService': [['Class', 'class']],
    'Get-AssociatedInstance': [
      ['Instance', 'instance'],
      ['Association', 'association'],
      ['ResultClass', 'class'],
    ],
    'Get-SettingsComponent': [
      ['Setting', 'instance'],
      ['Class', 'class'],
    ],
    'Invoke-HypervMethod': [
      ['Instance', 'instance'],
      ['Method', 'method'],
      ['Arguments', 'arguments'],
    ],
    'Invoke-RawMethod': [
      ['Instance', 'instance'],
      ['Method', 'method'],
      ['Arguments', 'arguments'],
    ],
    'New-EmbeddedInstance': [
      ['Class', 'class'],
      ['Values', 'values'],
    ],
    'Set-PropertyValue': [
      ['Instance', 'instance'],
      ['Name', 'property'],
      ['Value', 'value'],
    ],
    'Get-PropertyValue': [
      ['Instance', 'instance'],
      ['Name', 'property'],
      ['Default', 'other'],
    ],
    'Get-PropertyText': [
      ['Instance', 'instance'],
      ['Name', 'property'],
    ],
    'Test-ClassProperty': [
      ['Class', 'class'],
      ['Property', 'property'],
    ],
    'Get-OutValue': [
      ['Result', 'other'],
      ['Name', 'out'],
    ],
    'Get-CreatedId': [
      ['Result', 'other'],
      ['Name', 'out'],
    ],
    'New-PlannedAnswer': [
      ['Before', 'other'],
      ['Result', 'other'],
      ['Name', 'out'],
    ],
    'Invoke-PlannedMethod': [
      ['VmId', 'other'],
      ['Method', 'method'],
      ['Parameter', 'parameter'],
    ],
  } satisfies Record<string, readonly (readonly [string, Role])[]>).map(([name, list]) => [name.toLowerCase(), list]),
);

/** The functions of the module among them: it calls the cmdlets in these only, or with names that stand there. */
export const wrappers: readonly string[] = [...roles.keys()].filter((name) => !name.includes('-cim'));

/** Which .NET types a cast may name for a CIM type. */
const casts: Readonly<Record<string, readonly string[]>> = {
  boolean: ['bool'],
  uint8: ['byte'],
  sint8: ['sbyte'],
  uint16: ['uint16'],
  sint16: ['int16'],
  uint32: ['uint32'],
  sint32: ['int', 'int32'],
  uint64: ['uint64'],
  sint64: ['int64', 'long'],
  string: ['string'],
  datetime: ['datetime', 'timespan'],
};

/** The arguments of a command by what they mean. */
export function argumentsByRole(
  command: Command,
  list: readonly (readonly [string, Role])[],
): ReadonlyMap<Role, Value> {
  const named = new Set(command.arguments.map(({ parameter }) => parameter?.toLowerCase()));
  const places = list.filter(([parameter]) => !named.has(parameter.toLowerCase()));
  const found = new Map<Role, Value>();
  let place = 0;
  for (const { parameter, value } of command.arguments) {
    const role =
      parameter === null
        ? places[place++]?.[1]
        : list.find(([name]) => name.toLowerCase() === parameter.toLowerCase())?.[1];
    if (role !== undefined) found.set(role, value);
  }
  return found;
}

/** Whether a value may be given for a type, as far as it can be seen. */
export function fits(type: CimType, value: Value): boolean {
  const allowed = casts[type.name];
  if (value.cast !== null) {
    const cast = value.cast.toLowerCase();
    const isArray = cast.endsWith('[]');
    const element = cast.replace(/\[\]$/, '').replace(/^system\./, '');
    if (allowed === undefined) return isArray === type.array && element.endsWith('ciminstance');
    return isArray === type.array && allowed.includes(element);
  }
  // Without a cast: text is a string, a number an Int32, a list an Object[], a table nothing that CIM takes.
  if (value.kind === 'text') return type.name === 'string' && !type.array;
  if (value.kind === 'number') return type.name === 'sint32' && !type.array;
  if (value.kind === 'variable' && /^(true|false)$/i.test(value.text ?? ''))
    return type.name === 'boolean' && !type.array;
  return value.kind !== 'list' && value.kind !== 'table';
}
