/** Writes the paths of files in an answer as the other side knows them, and back. */
import type { PathMapping } from './paths.ts';
import { isInstance, isList } from './wire.ts';
import type { Value } from './wire.ts';

/** Properties and parameters that hold paths of files or folders. */
const pathNames: ReadonlySet<string> = new Set([
  'HostResource',
  'ConfigurationDataRoot',
  'ConfigurationFile',
  'SnapshotDataRoot',
  'SuspendDataRoot',
  'SwapFileDataRoot',
  'LogDataRoot',
  'GuestStateDataRoot',
  'GuestStateFile',
  'DefaultExternalDataRoot',
  'DefaultVirtualHardDiskPath',
  'Path',
  'ParentPath',
  'ExportDirectory',
  'SystemDefinitionFile',
  'SnapshotFolder',
]);

/** Object paths (`\\HOST\root\…`) are no paths of files. */
const isObjectPath = (text: string): boolean => /^\\\\[^\\]+\\root\\/i.test(text);

type Change = (path: string) => string;

function mapValue(value: Value, isPath: boolean, change: Change): Value {
  if (typeof value === 'string') return isPath && value !== '' && !isObjectPath(value) ? change(value) : value;
  if (isList(value)) return value.map((item) => mapValue(item, isPath, change));
  return isInstance(value) ? { ...value, properties: mapNamed(value.properties, change) } : value;
}

/** Changes every path among named values, also those in embedded instances. */
export function mapNamed(named: Readonly<Record<string, Value>>, change: Change): Readonly<Record<string, Value>> {
  return Object.fromEntries(
    Object.entries(named).map(([name, value]) => [name, mapValue(value, pathNames.has(name), change)]),
  );
}

/** What a mapping does to named values in both directions. */
export const mapsNothing = (mapping: PathMapping): boolean => mapping.toWire('/a/b') === '/a/b';
