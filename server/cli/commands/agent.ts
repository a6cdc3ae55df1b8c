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
  const agent = program.command('agent').description('serve a host to daemons, and what a host needs for that');
  addAgentServeCommand(agent, context);
  addAgentSetUpCommand(agent, context);
  addAgentDoctorCommand(agent, context);
  addAgentSelfTestCommand(agent, context);
  addAgentInstallCommands(agent, context);
}
