/** The configuration file of an agent that runs as a service: all it needs to start, but the secrets lie in files of their own. */
import { dirname, isAbsolute, relative, resolve, sep } from 'node:path';

import { readJsonFile, writeFileDurably } from '../../base/files.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { integer, literal, oneOf, optional, refuse, string } from '../../protocol/parse.ts';
import type { Parsed, Parser } from '../../protocol/parse.ts';
import type { ProviderChoice } from '../main.ts';
import { strictObject } from './strict-object.ts';

const maxBytes = 64 * 1024;
/** Reads of disks at a time, at most. */
export const maxThreads = 16;

const path = string({ maxLength: 4096 });

const shape = strictObject({
  version: literal(1),
  provider: oneOf('hyperv', 'simulated'),
  /** The host directory, for the simulated provider. */
  root: optional(path),
  /** What the Hyper-V provider must remember. */
  stateFolder: optional(path),
  /** Where the disks of restored VMs go unless Hyper-V's own default is meant. */
  restoreFolder: optional(path),
  listen: string({ maxLength: 512 }),
  credentialFile: path,
  tls: optional(strictObject({ certificateFile: path, keyFile: path })),
  threads: integer(1, maxThreads),
  logFile: path,
  auditFile: path,
});

/** The document as it stands in the file. */
export type ConfigDocument = Parsed<typeof shape>;

const document: Parser<ConfigDocument> = (value, place) => {
  const parsed = shape(value, place);
  const { provider, root, stateFolder, restoreFolder, listen, tls } = parsed;
  if ((provider === 'simulated') !== (root !== undefined))
    refuse(`${place}.root`, 'there for the simulated provider only');
  if ((provider === 'hyperv') !== (stateFolder !== undefined)) {
    refuse(`${place}.stateFolder`, 'there for the Hyper-V provider only');
  }
  if (provider !== 'hyperv' && restoreFolder !== undefined) {
    refuse(`${place}.restoreFolder`, 'there for the Hyper-V provider only');
  }
  if (listen.toLowerCase().startsWith('https:') !== (tls !== undefined)) refuse(`${place}.tls`, 'there for https only');
  return parsed;
};

/** A configuration with whole paths. */
export interface AgentConfig {
  readonly provider: ProviderChoice;
  readonly listen: string;
  readonly credentialFile: string;
  readonly tls?: { readonly certificateFile: string; readonly keyFile: string } | undefined;
  readonly threads: number;
  readonly logFile: string;
  readonly auditFile: string;
}

/** Reads the file as it stands; undefined when there is none. Throws `TM1003` naming what is wrong with it. */
export async function readConfigDocument(file: string): Promise<ConfigDocument | undefined> {
  try {
    return await readJsonFile(file, document, maxBytes);
  } catch (error) {
    throw unusable(file, TidemarkError.is(error) ? error.message : 'It cannot be read.', error);
  }
}

/** Reads a configuration; paths in it are relative to its folder. Throws `TM1003` when it is missing or anything in it is wrong. */
export async function readConfig(file: string): Promise<AgentConfig> {
  const parsed = await readConfigDocument(file);
  if (parsed === undefined) throw unusable(file, 'It does not exist.');
  const { listen, tls, threads } = parsed;
  const whole = (name: string): string => resolve(dirname(file), name);
  checkRestoreFolder(file, parsed);
  return {
    provider: providerOf(parsed, whole),
    listen,
    credentialFile: whole(parsed.credentialFile),
    tls: tls && { certificateFile: whole(tls.certificateFile), keyFile: whole(tls.keyFile) },
    threads,
    logFile: whole(parsed.logFile),
    auditFile: whole(parsed.auditFile),
  };
}

/** Who uninstalls the agent with its data removes its folder: no disk of a VM may lie there. */
function checkRestoreFolder(file: string, { restoreFolder }: ConfigDocument): void {
  if (restoreFolder === undefined) return;
  const folder = dirname(resolve(file));
  const way = relative(folder, resolve(folder, restoreFolder));
  if (way === '..' || way.startsWith(`..${sep}`) || isAbsolute(way)) return;
  throw unusable(file, `The folder for restored VMs, ${restoreFolder}, lies in the folder of the agent itself.`);
}

function providerOf(
  { root, stateFolder, restoreFolder }: ConfigDocument,
  whole: (name: string) => string,
): ProviderChoice {
  if (root !== undefined) return { kind: 'simulated', root: whole(root) };
  return {
    kind: 'hyperv',
    stateDirectory: whole(stateFolder ?? ''),
    restoreDirectory: restoreFolder === undefined ? undefined : whole(restoreFolder),
  };
}

/** Writes a configuration durably (mode 0600). Throws `TM1001` or `TM1003` when it would not be read again. */
export async function writeConfig(file: string, config: ConfigDocument): Promise<void> {
  document(config, 'The configuration');
  checkRestoreFolder(file, config);
  await writeFileDurably(file, `${JSON.stringify(config, undefined, 2)}\n`, { mode: 0o600 });
}

function unusable(file: string, why: string, cause?: unknown): TidemarkError {
  return new TidemarkError(errorCodes.invalidFile, `The configuration file ${file} cannot be used. ${why}`, {
    hint: '`tidemark agent set-up` writes one; the user guide explains each field.',
    cause,
  });
}
