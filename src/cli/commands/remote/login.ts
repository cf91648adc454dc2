/** `davit remote login`: an access token, checked and remembered. */
import { readFileSync } from 'node:fs';
import { errnoOf, RuntimeError } from '../../../errors';
import { baseUrl } from '../../../runtime/image/library/endpoint';
import type { Remote } from '../../../runtime/image/library/remote-file';
import { findRemote, remotePath, setToken } from '../../../runtime/image/library/remotes';
import { verifyToken } from '../../../runtime/image/library/status';
import { prefixed } from '../../../runtime/image/prefixed';
import type { CommandContext } from '../../command-line/command';
import { openClient } from '../../network/fetch';
import { askLine, askSecret, readStdin } from '../../terminal/prompt';
import { placeOf } from './change';

export async function run(context: CommandContext): Promise<number> {
  return await loginTo(context.args[0], context);
}

/** @param wanted name of an endpoint; the active one when absent */
export async function loginTo(wanted: string | undefined, context: CommandContext): Promise<number> {
  const { terminal } = context;
  const place = placeOf(context);
  const { name, remote } = findRemote(place, wanted);
  const token = await readToken(remote, context);
  if (token === '') return 0; // asked, and not answered
  const client = openClient(context);
  try {
    await verifyToken(remote, token, client);
  } catch (error) {
    throw prefixed(error, 'while verifying token');
  } finally {
    client.close();
  }
  setToken(place, name, token);
  terminal.info('Access Token Verified!');
  terminal.info(`Token stored in ${remotePath(place)}`);
  return 0;
}

async function readToken(remote: Remote, { options, terminal }: CommandContext): Promise<string> {
  const path = options.text('tokenfile');
  if (path !== undefined) return readTokenFile(path);
  if (options.flag('passwordStdin')) return checked(readStdin());
  const given = options.text('password');
  if (given !== undefined) return checked(given);
  if (remote.token !== undefined) {
    const answer = askLine(terminal, 'An access token is already set for this remote. Replace it? [y/N] ') ?? '';
    if (!/^y(es)?$/i.test(answer.trim())) return '';
  }
  terminal.out(
    `Generate an access token at ${baseUrl(remote.uri, remote.insecure).href}auth/tokens, and paste it here.\n`,
  );
  terminal.out('Token entered will be hidden for security.\n');
  return (await askSecret(terminal, 'Access Token: ')).trim();
}

function readTokenFile(path: string): string {
  try {
    return checked(readFileSync(path, 'utf8'));
  } catch (cause) {
    if (cause instanceof RuntimeError) throw prefixed(cause, 'while reading tokenfile');
    const errno = errnoOf(cause);
    throw new RuntimeError('OPTION', `while reading tokenfile: read "${path}": ${errno ?? String(cause)}`, {
      path,
      errno,
      cause,
    });
  }
}

function checked(text: string): string {
  const token = text.trim();
  // What is not a header's value would be refused by Node itself, with the token in its message.
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new RuntimeError('OPTION', token === '' ? 'the token is empty' : 'the token has characters that none can have');
}
