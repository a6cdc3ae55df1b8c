/** `tidemark demo`: everything once, for real. */
import type { Command } from 'commander';

import { globalOptions } from '../context.ts';
import type { CliContext } from '../context.ts';

/** Adds the command. */
export function addDemoCommand(program: Command, context: CliContext): void {
  program
    .command('demo')
    .description('back up and restore a VM of a simulated host, compare the bytes, and say what happened')
    .option('--dir <dir>', 'where; an earlier demo there is replaced (default: a temporary folder)')
    .option('--keep', 'leave the folder, and agent and daemon running until Ctrl-C', false)
    .addHelpText(
      'after',
      '\nIt has its own agent, daemon and data directory; yours are not touched. It needs\nabout 1 GiB of disk space and takes less than a minute.\n\nExample:\n  tidemark demo --keep --dir tidemark-demo',
    )
    .action(async (options: { dir?: string; keep: boolean }, command: Command) => {
      const { json } = globalOptions(command);
      const { runDemo } = await import('../demo/run-demo.ts');
      // A terminal that is closed must not leave the demo's agent and daemon behind.
      const hangUp = new AbortController();
      process.once('SIGHUP', () => hangUp.abort());
      const signal = AbortSignal.any([context.signal, hangUp.signal]);
      await runDemo(
        { ...context, signal },
        {
          directory: options.dir,
          keep: options.keep,
          quiet: json,
          onDone: (result) => {
            if (json) context.terminal.out(`${JSON.stringify(result, undefined, 2)}\n`);
          },
        },
      );
    });
}
