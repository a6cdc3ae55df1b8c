/** The version of this build. */

declare const TIDEMARK_VERSION: string | undefined;

/** `0.1.0` in a bundle, where the build writes it in; `0.0.0-dev` when the sources run directly. */
export const version: string = typeof TIDEMARK_VERSION === 'string' ? TIDEMARK_VERSION : '0.0.0-dev';
