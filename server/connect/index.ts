/** How a client reaches a daemon. Used by the CLI and by the editor; knows nothing of the daemon's insides. */
export type { DaemonClient } from './client.ts';
export { connectDaemon } from './connect.ts';
export type { ConnectOptions, StartCommand } from './connect.ts';
export { resolveDataDirectory } from './data-directory.ts';
export { connectRemoteDaemon } from './remote.ts';
export type { DaemonCertificate, RemoteConnectOptions, RemoteDaemon } from './remote.ts';
