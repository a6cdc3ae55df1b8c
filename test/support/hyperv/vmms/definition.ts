/**
 * Configuration files. A `.vmcx` is binary and undocumented; this one is JSON with what an import needs. It comes with a `.vmrs` and, where
 * the build has it, a `.vmgs` of the same base name.
 */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { readJsonFile, writeFileDurably } from '../../../../server/base/files.ts';
import { vmId } from '../../../../server/protocol/ids.ts';
import { referencePoint } from '../../../../server/protocol/model.ts';
import { array, integer, literal, nullable, object, string } from '../../../../server/protocol/parse.ts';
import type { Parsed } from '../../../../server/protocol/parse.ts';
import { hasGuestStateFile } from './model/host.ts';
import type { Machine } from './model/machine.ts';
import { extra } from './notes.ts';
import type { Vm, World } from './world.ts';

const label = string({ maxLength: 4096, allowEmpty: true });

const definition = object({
  format: literal('fake-vmcx'),
  vmId,
  name: label,
  generation: integer(1, 2),
  version: string({ maxLength: 16 }),
  processorCount: integer(1, 4096),
  memoryBytes: integer(),
  adapters: array(object({ name: label, switchName: nullable(label) }), 64),
  disks: array(object({ path: string({ maxLength: 4096 }) }), 512),
  extras: array(extra, 16),
  startup: integer(0, 65_535),
  referencePoints: array(referencePoint, 512),
});
export type Definition = Parsed<typeof definition>;

const extensions = (world: World): readonly string[] => [
  '.vmcx',
  '.vmrs',
  ...(hasGuestStateFile(world.host.build) ? ['.vmgs'] : []),
];

/** Writes the configuration files of a machine into a folder. */
export async function writeDefinition(
  world: World,
  folder: string,
  guid: string,
  vm: Vm,
  machine: Machine,
): Promise<void> {
  const { name, generation, version, processorCount, memoryBytes, adapters, disks, extras, startup } = machine;
  const content: Definition = {
    format: 'fake-vmcx',
    vmId: vm.document.id,
    name,
    generation,
    version,
    processorCount,
    memoryBytes,
    adapters,
    disks,
    extras,
    startup,
    referencePoints: vm.document.referencePoints,
  };
  await mkdir(folder, { recursive: true });
  for (const extension of extensions(world)) {
    const bytes = extension === '.vmcx' ? JSON.stringify(content, undefined, 2) : `${extension} of ${guid}`;
    await writeFileDurably(join(folder, `${guid}${extension}`), bytes);
  }
}

/** Removes the configuration files of a snapshot. */
export async function removeDefinition(folder: string, guid: string): Promise<void> {
  for (const extension of ['.vmcx', '.vmrs', '.vmgs']) await rm(join(folder, `${guid}${extension}`), { force: true });
}

/** Reads a `.vmcx`; undefined when there is none. Throws `TM1001` for what is no definition. */
export const readDefinition = (path: string): Promise<Definition | undefined> => readJsonFile(path, definition);
