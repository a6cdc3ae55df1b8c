/** What a data connection needs to know. Structured-clonable: control connections live on the main thread, data connections in workers. */

/** Where and with which proof data connections of one session are opened. Holds a key: never log it. */
export interface DataAccess {
  /** The agent's URL as the user gave it, for error messages. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  /** 32 hex digits, from the SCRAM exchange. */
  readonly sessionId: string;
  /** 32 bytes; proves that both ends took part in the SCRAM exchange (docs/security.md). */
  readonly dataKey: Uint8Array;
  /** SHA-256 (hex) of the certificate the control connection was bound to; present when `tls`. */
  readonly certificateSha256?: string;
}
