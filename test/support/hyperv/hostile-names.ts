/** Names that are code, commands to a terminal, paths or lines of a log elsewhere. */

/** PowerShell, when it is not quoted. */
export const code = String.raw`'; Remove-Item C:\ -Recurse #`;
/** An entry of the audit log and one of the log, when line ends are left in. */
export const logLine =
  'x\r\n{"time":"2030-01-01T00:00:00.000Z","action":"login","result":"ok"}\n2030-01-01 error: all is lost';
/** Clears a terminal, names its window, rings, changes its colours and writes over the line. */
export const terminal = '\u001B[2J\u001B]0;owned\u0007\u009B31m\r\b';
/** Long in bytes. */
export const cjk = '会'.repeat(100);

/** Names that people, or somebody evil, give to what Hyper-V has. */
export const names = [
  code,
  `"double" 'single' \\"`,
  '\u2018\u2019\u201A\u201B\u201C\u201D\u201E\u201F; Remove-Item C:',
  '`whoami` $(throw 1) ${env:Path} @(1) %PATH% & calc',
  logLine,
  'tab\there',
  '👩‍👩‍👧‍👦 🏴‍☠️ 😀',
  '\u202Egnp.exe\u202C \u2067rtl\u2069 \u200Fmark',
  terminal,
  '\u0001\u0085\u2028 controls',
  cjk,
  '1',
  '',
  'twin',
  'twin',
  '../../../../etc/passwd',
  String.raw`a/b\c*?<x>|con`,
  '--json',
] as const;
