/** The demo from its first to its last line. */
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { relative } from 'node:path';

import { formatBytes, formatDuration } from '../../base/format.ts';
import { throwIfAborted } from '../../protocol/errors.ts';
import type { CliContext } from '../context.ts';
import { makeDemoFolder, removeDemoFolder } from './folder.ts';
import type { DemoFolder } from './folder.ts';
import { DemoGuest, demoDiskBytes, demoNames } from './guest.ts';
import { nextSteps } from './next-steps.ts';
import { Narrator } from './narrator.ts';
import type { DemoStep } from './narrator.ts';
import { DemoProcesses } from './processes.ts';
import { Story } from './story.ts';
import type { DemoRestorePoint, Stage } from './story.ts';

/** How to run the demo. */
export interface DemoOptions {
  /** Where; a temporary folder when absent. */
  readonly directory: string | undefined;
  /** Leave everything running until Ctrl-C, and leave the folder. */
  readonly keep: boolean;
  /** Print nothing for people. */
  readonly quiet: boolean;
  /** Called when all steps are done, before waiting for Ctrl-C. */
  readonly onDone: (result: DemoResult) => void;
}

/** The document of `tidemark demo --json`. */
export interface DemoResult {
  readonly folder: string;
  /** Whether folder, agent and daemon are left. */
  readonly kept: boolean;
  /** The daemon's data directory, for `--data`. */
  readonly data: string;
  readonly milliseconds: number;
  readonly steps: readonly DemoStep[];
  readonly restorePoints: readonly DemoRestorePoint[];
}

/** Runs the demo. Throws what failed, after stopping what it started and removing what it made (unless `keep`). */
export async function runDemo(context: CliContext, options: DemoOptions): Promise<void> {
  const folder = await makeDemoFolder(options.directory);
  const narrator = new Narrator(context, options.quiet);
  let done = false;
  try {
    await perform({ context, folder, narrator, quiet: options.quiet }, options, () => (done = true));
  } finally {
    if (!options.keep) await removeDemoFolder(folder);
    else if (!done) narrator.say(`\nWhat was made so far is in ${shown(folder)}`);
  }
}

async function perform(stage: Stage, options: DemoOptions, onDone: () => void): Promise<void> {
  const { context, folder, narrator } = stage;
  const begin = performance.now();
  narrator.tell(
    'Tidemark backs up a virtual machine, then restores it and compares the bytes. Only the Hyper-V host is simulated: disks, backups and restores are real.',
  );
  narrator.say(`Everything is in ${shown(folder)}\n`);
  using guest = await makeGuest(stage);
  await using processes = await startProcesses(stage);
  const story = new Story(stage, guest, processes);
  const restorePoints = await runStory(stage, story, guest);
  const milliseconds = Math.round(performance.now() - begin);
  await rm(folder.moments, { recursive: true });
  onDone();
  narrator.say(narrator.summary());
  narrator.tell(`All of it took ${formatDuration(milliseconds)}. Every restored byte is the byte that was there.`);
  const { steps } = narrator;
  options.onDone({ folder: folder.root, kept: options.keep, data: folder.data, milliseconds, steps, restorePoints });
  if (!options.keep) return;
  narrator.say(`\n${nextSteps(context, folder, restorePoints.at(-1)?.id ?? '')}\n`);
  narrator.say(context.style.strong('Stop with Ctrl-C.'));
  if (!context.signal.aborted) await once(context.signal, 'abort');
  narrator.say(`\nStopping daemon and agent. What they made stays in ${shown(folder)}`);
}

async function makeGuest({ context, folder, narrator }: Stage): Promise<DemoGuest> {
  const { guest } = await narrator.step('A host with a VM', async () => {
    const created = await DemoGuest.create(folder.host, context.signal);
    const { bytes, files } = await created.fill('written before the full backup');
    return {
      guest: created,
      text: `The VM "${demoNames.vm}" has one disk, a VHDX file of ${formatBytes(demoDiskBytes)}. Its guest made a FAT32 file system on it and wrote ${files} files, ${formatBytes(bytes)} in all.`,
      movedBytes: bytes,
    };
  });
  return guest;
}

async function startProcesses({ context, folder, narrator }: Stage): Promise<DemoProcesses> {
  const { processes } = await narrator.step('Agent and daemon', async () => {
    const started = await DemoProcesses.start(context, folder);
    return {
      processes: started,
      text: `The agent serves the host at ${started.agentUrl}; the daemon runs the backups.`,
    };
  });
  return processes;
}

async function runStory(
  { context, narrator }: Stage,
  story: Story,
  guest: DemoGuest,
): Promise<readonly DemoRestorePoint[]> {
  const guestWorks = async (day: number, note: string): Promise<{ readonly bytes: number; readonly text: string }> => {
    throwIfAborted(context.signal);
    const { bytes, places } = await guest.work(day, note);
    return { bytes, text: `${formatBytes(bytes)} in ${places} places` };
  };
  await narrator.step('Connection and repository', async () => {
    await story.introduce();
    return {
      text: 'Daemon and agent proved to each other that they know the password, without sending it. An encrypted repository was made.',
    };
  });
  await narrator.step('Full backup', async () =>
    story.backup('full', (figures) => `The first backup ${figures}: holes and zeros cost nothing, text compresses.`),
  );
  await narrator.step('The guest works', async () => {
    const { bytes, text } = await guestWorks(1, 'written between full and incremental');
    return {
      text: `It changed records of its database, wrote a document and deleted one: ${text}.`,
      movedBytes: bytes,
    };
  });
  await narrator.step('Incremental backup', async () =>
    story.backup('incremental', (figures) => `Change tracking said where to look: the backup ${figures}.`),
  );
  await narrator.step('Power failure', async () => {
    const { bytes, text } = await guestWorks(2, 'written just before the power failed');
    await guest.powerFailure();
    return {
      text: `The guest wrote ${text}, then the power failed: the bitmap of changes in memory is lost. The VM is on again.`,
      movedBytes: bytes,
    };
  });
  await narrator.step('Incremental backup after it', async () =>
    story.backup(
      'incremental',
      (figures) =>
        `A coarser bitmap on disk answered instead: more than what changed, never less. The backup ${figures}.`,
    ),
  );
  await narrator.step('Restore of every restore point', async () => story.restoreAll());
  const { points } = await narrator.step('Comparison', async () => story.compareAll());
  await narrator.step('Restore of the VM', async () => story.restoreVm());
  await narrator.step('Check of the repository', async () => story.verify());
  return points;
}

function shown(folder: DemoFolder): string {
  const near = relative(process.cwd(), folder.root);
  return near !== '' && !near.startsWith('..') ? near : folder.root;
}
