/** Entry of the `tidemark` command. The command line itself is loaded below, when the process is ready for it. */

// Node 22 warns, while it loads node:sqlite, that it is experimental; what this program needs of it is covered by its tests.
process.removeAllListeners('warning');
process.on('warning', (warning) => {
  if (warning.name !== 'ExperimentalWarning') process.stderr.write(`${warning.name}: ${warning.message}\n`);
});

// Whoever reads our output may stop reading (`tidemark run list | head -1`): that is no error.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(0);
  });
}

/** What shells report for a program that Ctrl-C ended. */
const interruptedExitCode = 130;

/** A signal that comes this soon after the first, ms, is the same key press, passed on by npm or a shell. */
const sameKeyPressMs = 500;

// The first Ctrl-C asks the command to end in order, the second one does not wait for it.
const interrupt = new AbortController();
let interruptedAt = 0;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (!interrupt.signal.aborted) interruptedAt = performance.now();
    else if (performance.now() - interruptedAt > sameKeyPressMs) process.exit(interruptedExitCode);
    interrupt.abort();
  });
}

const { createContext } = await import('./context.ts');
const { runCli } = await import('./program.ts');
const { processTerminal } = await import('./terminal.ts');
process.exitCode = await runCli(createContext(processTerminal(), interrupt.signal), process.argv.slice(2));
