/** The language server of policy files: a child process of one window, which speaks LSP over `--node-ipc` or `--stdio`. */
import { createConnection, ProposedFeatures } from 'vscode-languageserver/node';

import { serve } from './connection.ts';

// A window that crashes says no goodbye.
process.on('disconnect', () => process.exit(1));

serve(createConnection(ProposedFeatures.all));
