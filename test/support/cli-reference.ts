/** Writes docs/cli.md from the command line's own help: `npm run docs`. A unit test finds out when that was forgotten. */
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import type { Command } from 'commander';

import { buildProgram } from '../../server/cli/program.ts';
import { fakeContext } from '../unit/cli/fake-terminal.ts';

/** Where the reference lies. */
export const cliReferenceFile = fileURLToPath(new URL('../../docs/cli.md', import.meta.url));

const introduction = `# The command line

This page is what \`tidemark COMMAND --help\` prints; \`npm run docs\` writes it, and a test keeps it so.

In a checkout the command is \`npx tidemark …\` after \`npm run build\` (or after \`npm start\` or \`npm test\`, which build too).

## What all commands have in common

- It is a client of the [daemon](architecture.md), which it starts when none runs. \`--data DIR\`, before or after the command, or
  the environment variable \`TIDEMARK_DATA\`, selects another daemon's data directory. \`sim\`, \`agent\` and \`demo\` do not use yours. A daemon that a command started by itself ends
  after ten minutes in which no client was connected, no run was active and no applied policy had a schedule; \`tidemark daemon start\` starts one that stays.
- \`policy validate\` needs no daemon and starts none.
- \`--daemon URL\` asks a daemon on another machine instead ([security](security.md#a-daemon-on-another-machine)), with \`--daemon-password-file FILE\` and, unless an
  authority vouches for its certificate, \`--daemon-certificate SHA256\`. Locations of repositories and files to restore to are then paths **on that machine**.
- Results go to standard output; progress, warnings and errors go to standard error, so that output can be piped.
- \`--json\` prints one JSON document; \`backup run --json\` and \`run watch --json\` print one line of JSON for each state of the run.
  An error is then one line of JSON on standard error: \`{"error":{"code":"TM2001","message":"…","hint":"…"}}\`.
- It exits with 0 when it did what it was asked, with 1 when that failed, with 2 when it was asked wrongly, and with 130 when a second
  Ctrl-C ended it. [The user guide](user-guide.md#error-codes) explains the error codes.
- On a terminal it draws progress bars; elsewhere, and where \`TERM=dumb\`, it prints one line for each phase. \`NO_COLOR\` turns colours off.
- A password is read from the first line of a file (\`--password-file FILE\`), from standard input (\`--password-file -\`), or is asked for on a
  terminal without showing it. It is never an argument: every user of a machine can read those.
- Ctrl-C cancels the run that the command has started and waits until it has cleaned up; a second Ctrl-C does not wait. \`run watch\`
  only stops watching. A run belongs to the daemon: when the command is killed, the run goes on.
`;

/** The whole page. */
export function cliReference(): string {
  const program = buildProgram(fakeContext());
  const sections = [program, ...descendants(program)].map((command) => {
    const name = commandName(command);
    return `${name.includes(' ') ? '###' : '##'} \`${name}\`\n\n\`\`\`text\n${helpOf(command).trimEnd()}\n\`\`\`\n`;
  });
  return `${introduction}\n${sections.join('\n')}`;
}

function descendants(command: Command): Command[] {
  return command.commands.flatMap((child) => [child, ...descendants(child)]);
}

function commandName(command: Command): string {
  const parent = command.parent;
  return parent === null ? command.name() : `${commandName(parent)} ${command.name()}`;
}

/** What `--help` prints, with the texts that stand after the list of options. */
function helpOf(command: Command): string {
  let text = '';
  command.configureOutput({ writeOut: (part) => (text += part) });
  command.outputHelp();
  return text;
}

if (import.meta.main) await writeFile(cliReferenceFile, cliReference());
