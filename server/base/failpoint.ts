/**
 * Failpoints: named places where the crash tests stop a process as `kill -9` would, without any clean-up.
 *
 * They cost one comparison and do nothing unless the environment names one. Names are stable: the tests list them.
 */

const armed = process.env['TIDEMARK_FAILPOINT'];

/** Kills this process here when `TIDEMARK_FAILPOINT` is `name`. */
export function failpoint(name: string): void {
  if (armed !== undefined && armed === name) process.kill(process.pid, 'SIGKILL');
}
