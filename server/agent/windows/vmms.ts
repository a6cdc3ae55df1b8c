/** The service of Hyper-V. */
import { win32 } from 'node:path';

import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { runProgram } from './programs.ts';
import type { RunProgram } from './programs.ts';

/** `net start` of a service that runs already. */
const alreadyRunning = 2;

/** Stops and starts `vmms`; VMs go on running. Throws `TM2206` when it does not run afterwards. */
export async function restartVmms(run: RunProgram = runProgram): Promise<void> {
  const net = win32.join(process.env['SystemRoot'] ?? String.raw`C:\Windows`, 'System32', 'net.exe');
  const stopped = await run(net, ['stop', 'vmms', '/y']);
  const started = await run(net, ['start', 'vmms']);
  if (started.code === 0 || (started.code === alreadyRunning && stopped.code !== 0)) return;
  throw new TidemarkError(errorCodes.hypervOperationFailed, 'The service vmms could not be started again.', {
    hint: 'Start it by hand: net start vmms.',
    cause: new Error(started.output),
  });
}
