/** Entry of the `tidemark` command. */
import { createContext } from './context.ts';
import { runCli } from './program.ts';
import { processTerminal } from './terminal.ts';

const interrupt = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => interrupt.abort());
}
process.exitCode = await runCli(createContext(processTerminal(), interrupt.signal), process.argv.slice(2));
