/** `tidemark agent`: what runs on a Hyper-V host. */
import type { Command } from 'commander';

import type { CliContext } from '../context.ts';
import { addAgentDoctorCommand } from './agent-doctor.ts';
import { addAgentInstallCommands } from './agent-install.ts';
import { addAgentSelfTestCommand } from './agent-self-test.ts';
import { addAgentServeCommand } from './agent-serve.ts';
import { addAgentSetUpCommand } from './agent-set-up.ts';

/** Adds the commands. */
export function addAgentCommand(program: Command, context: CliContext): void {
  const agent = program
    .command('agent')
    .description('serve a host to daemons, and what a host needs for that')
    .addHelpText(
      'after',
      '\nExample:\n  tidemark agent --provider simulated --root hostdir \\\n    --listen http://127.0.0.1:8440 --password-file agent.pw',
    );
  addAgentServeCommand(agent, context);
  addAgentSetUpCommand(agent, context);
  addAgentDoctorCommand(agent, context);
  addAgentSelfTestCommand(agent, context);
  addAgentInstallCommands(agent, context);
}
