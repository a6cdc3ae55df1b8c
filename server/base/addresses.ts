/** Addresses of the Internet, as far as counting and naming them needs. */
import { BlockList, isIP } from 'node:net';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** The 16 bytes of an IPv6 address without a zone. */
export function ipv6Bytes(address: string): Buffer {
  // `URL` writes an embedded IPv4 address, and every other form, as groups of hex digits.
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::');
  const groups = (text: string | undefined): string[] => (text === undefined || text === '' ? [] : text.split(':'));
  const [left, right] = [groups(head), groups(tail)];
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0');
  return Buffer.from([...left, ...zeros, ...right].map((group) => group.padStart(4, '0')).join(''), 'hex');
}

/** An address in its plain form: without a zone, and an IPv4 one that came over IPv6 as the IPv4 one it is. */
export function plainAddress(address: string): string {
  const [bare = ''] = address.split('%');
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare)?.[1] ?? bare;
}

/** Whom to count together: an IPv4 address, or the /64 of an IPv6 one, because whoever has one address there has all of them. */
export function sourceOf(address: string): string {
  const plain = plainAddress(address);
  if (isIP(plain) !== 6 || isLoopback(plain)) return plain;
  const hex = ipv6Bytes(plain).toString('hex', 0, 8);
  return `${hex.match(/.{4}/g)?.join(':') ?? hex}::/64`;
}

/** Whether an address is this computer's own. */
export function isLoopback(address: string): boolean {
  const plain = plainAddress(address);
  const version = isIP(plain);
  return version > 0 && loopback.check(plain, version === 4 ? 'ipv4' : 'ipv6');
}
