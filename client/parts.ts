/** The parts of the extension: one line each. A part registers what it contributes and does nothing else until it is used. */
import { registerTools } from './ai/tools.ts';
import type { Part } from './app.ts';
import { registerCommands } from './commands/index.ts';
import { registerContextKeys } from './context-key-feed.ts';
import { registerPolicyLanguage } from './policy/index.ts';
import { registerRunActivity } from './run-activity/index.ts';
import { registerRunPage } from './run-page/index.ts';

export const parts: readonly Part[] = [
  registerContextKeys,
  registerCommands,
  registerRunPage,
  registerRunActivity,
  registerPolicyLanguage,
  registerTools,
];
