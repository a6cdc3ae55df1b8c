/**
 * Client → daemon protocol, version 1: JSON-RPC 2.0 with LSP framing (vscode-jsonrpc) on a local socket or named pipe, or on TLS.
 *
 * The client speaks first. Before any other JSON-RPC both sides prove that they know the token of the rendezvous file, or the
 * daemon's password (`daemon-handshake.ts`). Long work is a *run*: it outlives the client, and `cancelRun` alone cancels it.
 */
export * from './daemon/process.ts';
export * from './daemon/hosts.ts';
export * from './daemon/inventory.ts';
export * from './daemon/repositories.ts';
export * from './daemon/notifications.ts';
export * from './daemon/policies.ts';
export * from './daemon/policy-model.ts';
export * from './daemon/reports.ts';
export * from './daemon/restore-points.ts';
export * from './daemon/run-requests.ts';
export * from './daemon/run-model.ts';
export * from './daemon/run-state.ts';
export * from './daemon/runs.ts';
export * from './daemon/simulator.ts';
