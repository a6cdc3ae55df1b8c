/**
 * An agent's provider in a process that dies at its failpoint: `node child.ts STATE_FOLDER restore RESTORE_FOLDER DEFINITION_FILE`, or
 * `… export CHECKPOINT`. PowerShell and the fake come from the environment.
 */
import { readFile } from 'node:fs/promises';

import { createHyperVProvider } from '../../../server/agent/hyperv/index.ts';
import { silentLogger } from '../../../server/base/log.ts';
import { beginRestore } from '../../../server/protocol/agent.ts';
import { checkpointId } from '../../../server/protocol/ids.ts';
import { json } from '../../../server/protocol/parse.ts';
import { never, quiet } from '../../unit/simulated/support.ts';
import { noise } from '../../unit/vhdx/support.ts';
import { fastJobs } from './support.ts';

const [stateFolder = '', action = '', target = '', file = ''] = process.argv.slice(2);

async function restore(): Promise<void> {
  const provider = createHyperVProvider({ stateFolder, restoreFolder: target, log: silentLogger, ...fastJobs });
  await provider.recover(never);
  const definition = json(await readFile(file, 'utf8'), beginRestore.params, file);
  const session = await provider.beginRestore(definition, never);
  for (const { id } of definition.disks) {
    const writer = await provider.openRestoreDisk(session, id);
    await writer.write(noise(100_000, 3), 4096);
    await writer.close();
  }
  await provider.commitRestore(session, quiet);
}

async function readCopies(): Promise<void> {
  const provider = createHyperVProvider({ stateFolder, alwaysCopy: true, log: silentLogger, ...fastJobs });
  await provider.recover(never);
  const checkpoint = checkpointId(target, 'checkpoint');
  const { id, disks } = await provider.openExport({ checkpointId: checkpoint, excludeDisks: [] }, quiet);
  for (const disk of disks) {
    const reader = await provider.openDisk(id, disk.id);
    await reader.read(Buffer.alloc(4096), 0);
  }
}

await (action === 'restore' ? restore() : readCopies());
process.exit(0);
