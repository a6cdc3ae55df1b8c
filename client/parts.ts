/** The parts of the extension: one line each. A part registers what it contributes and does nothing else until it is used. */
import type { Part } from './app.ts';
import { registerCommands } from './commands/index.ts';
import { registerContextKeys } from './context-key-feed.ts';

export const parts: readonly Part[] = [registerContextKeys, registerCommands];
