/** The agent as a Windows service: installing, upgrading, uninstalling, and what a running one tells Windows. */
export { checkInstalledAgent } from './check.ts';
export { EventLog } from './event-log.ts';
export { forgetFormer, keepFormer, putBackFormer } from './former.ts';
export { installAgent } from './install.ts';
export { installedDataPath } from './installation.ts';
export { runProgram } from './programs.ts';
export { restartVmms } from './vmms.ts';
export { tidyServiceOutput } from './service-output.ts';
export { uninstallAgent } from './uninstall.ts';
