/**
 * An agent's provider in a process that dies at its failpoint, in the middle of work on a checkpoint:
 * `node checkpoint-child.ts STATE_FOLDER VM create`, or `… remove CHECKPOINT`, `… convert CHECKPOINT`, `… forget REFERENCE_POINT`.
 */
import { createHyperVProvider } from '../../../server/agent/hyperv/index.ts';
import { silentLogger } from '../../../server/base/log.ts';
import { checkpointId, referencePointId, vmId } from '../../../server/protocol/ids.ts';
import { never, owner, quiet, run } from '../../unit/simulated/support.ts';
import { fastJobs } from './support.ts';

const [stateFolder = '', vm = '', action = '', id = ''] = process.argv.slice(2);
const provider = createHyperVProvider({ stateFolder, log: silentLogger, ...fastJobs });
await provider.recover(never);
const request = { vmId: vmId(vm, 'vm'), runId: run, owner, consistency: 'crash' } as const;
if (action === 'create') await provider.createCheckpoint(request, quiet);
else if (action === 'remove') await provider.removeCheckpoint(checkpointId(id, 'id'), quiet);
else if (action === 'convert') await provider.convertCheckpoint(checkpointId(id, 'id'), quiet);
else await provider.removeReferencePoint(referencePointId(id, 'id'), undefined, quiet);
process.exit(0);
