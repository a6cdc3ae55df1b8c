/** Hosts: what the daemon knows of the machines that run agents. */
import * as id from '../ids.ts';
import { request } from '../message.ts';
import * as model from '../model.ts';
import { array, boolean, integer, literal, object, oneOf, optional, string, union } from '../parse.ts';
import type { Parsed } from '../parse.ts';
import { passwordFields } from './passwords.ts';

const nothing = object({});

export const hostState = union('state', {
  reachable: object({ state: literal('reachable'), info: model.hostInfo, agentVersion: string({ maxLength: 64 }) }),
  unreachable: object({ state: literal('unreachable'), since: model.timestamp, error: model.errorReport }),
  unknown: object({ state: literal('unknown') }),
});
export type HostState = Parsed<typeof hostState>;

export const hostEntry = object({
  name: id.nameText,
  url: string({ maxLength: 2048 }),
  /** Disk parts exported at a time. */
  threads: integer(1, 16),
  /** SHA-256 of the agent's certificate, hex, for https; checked at each connection. */
  certificateSha256: optional(string({ maxLength: 64 })),
  status: hostState,
  /** Where the daemon takes the password from. */
  passwordSource: optional(oneOf('stored', 'file', 'command')),
  warnings: array(string({ maxLength: 1024 }), 16),
});
export type HostEntry = Parsed<typeof hostEntry>;

/** Adds a host after a successful connection test. */
export const addHost = request(
  'tidemark/host/add',
  object({
    name: id.nameText,
    url: string({ maxLength: 2048 }),
    ...passwordFields,
    threads: integer(1, 16),
    replace: boolean,
  }),
  object({ host: hostEntry }),
);
/**
 * Changes a host: what is absent stays. The connection is tested first, and nothing changes when it fails. Another `url` pins the
 * certificate that answers there; at the same one a changed certificate is `TM2003` unless `acceptCertificate` is set.
 */
export const editHost = request(
  'tidemark/host/edit',
  object({
    name: id.nameText,
    url: optional(string({ maxLength: 2048 })),
    /** None of them: the password stays. */
    ...passwordFields,
    threads: optional(integer(1, 16)),
    acceptCertificate: optional(boolean),
  }),
  object({ host: hostEntry }),
);
export const listHosts = request('tidemark/host/list', nothing, object({ hosts: array(hostEntry, 4096) }));
export const testHost = request('tidemark/host/test', object({ name: id.nameText }), object({ host: hostEntry }));
export const removeHost = request('tidemark/host/remove', object({ name: id.nameText }), nothing);
