/** The daemon: one process for one data directory, made of its real parts. */
import { createRepository, openRepository } from '../repository/index.ts';
import { connectAgent } from './agent-client/connection.ts';
import { serveDaemon } from './daemon.ts';
import type { DaemonOptions } from './daemon.ts';
import type { DaemonParts } from './services.ts';
import { executeBackup } from './runs/backup.ts';
import { executeGc } from './runs/gc.ts';
import { executePrune } from './runs/prune.ts';
import { executeRestoreDisk } from './runs/restore-disk.ts';
import { executeRestoreVm } from './runs/restore-vm.ts';
import { executeVerify } from './runs/verify.ts';

export type { DaemonOptions } from './daemon.ts';

/** After the end, how long something that cannot be closed (a host that hangs) may keep the process, ms. */
const lingerMs = 3000;

/** The parts that a daemon works with; tests give it another clock. */
export const daemonParts: DaemonParts = {
  executors: {
    backup: executeBackup,
    'restore-disk': executeRestoreDisk,
    'restore-vm': executeRestoreVm,
    verify: executeVerify,
    prune: executePrune,
    gc: executeGc,
  },
  connectAgent,
  library: { create: createRepository, open: openRepository },
};

/**
 * Serves until stopped (by a client, SIGTERM, SIGINT or `signal`), then resolves. Throws `TM5004` when another daemon serves
 * the data directory or the state there cannot be used.
 */
export async function runDaemon(options: DaemonOptions): Promise<void> {
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal);
  try {
    await serveDaemon({ ...options, signal: AbortSignal.any([options.signal, stop.signal]) }, daemonParts);
  } finally {
    process.off('SIGTERM', onSignal).off('SIGINT', onSignal);
    // Fires only when something else keeps the process alive.
    setTimeout(() => process.exit(), lingerMs).unref();
  }
}
