/** `davit inspect` and `davit run-help`. */
import { resolve } from 'node:path';
import { RuntimeError } from '../../../errors';
import { chooseAttributes, type InspectChoice, inspectJson, inspectText } from '../../../formats/container/inspect';
import { type DescribedImage, imageAttributes } from '../../../runtime/image/describe';
import type { CommandContext } from '../../command-line/command';
import type { Options } from '../../command-line/parse';

const PARTS = ['deffile', 'environment', 'helpfile', 'labels', 'runscript', 'startscript', 'test'] as const;

export async function run(context: CommandContext): Promise<number> {
  return context.name === 'run-help' ? await showHelp(context) : await inspect(context);
}

async function inspect(context: CommandContext): Promise<number> {
  const { args, options, terminal } = context;
  const choice = choiceOf(options);
  const labels = choice.all || (choice.labels && choice.app === undefined);
  const { attributes, isMetadata, isSif } = await described(args[0] as string, context, labels);
  const chosen = chooseAttributes(attributes, choice, isMetadata, isSif);
  terminal.out(choice.all || options.flag('json') ? inspectJson(chosen) : inspectText(chosen, choice));
  return 0;
}

/** Without a choice it is the labels. */
function choiceOf(options: Options): InspectChoice {
  const isGiven = (name: string): boolean => options.flag(name);
  const isNone = !PARTS.some(isGiven) && !isGiven('listApps');
  const parts = Object.fromEntries(PARTS.map((part) => [part, isGiven(part)])) as Record<
    (typeof PARTS)[number],
    boolean
  >;
  return {
    ...parts,
    all: isGiven('all'),
    listApps: isGiven('listApps'),
    app: options.text('app'),
    labels: parts.labels || isNone,
  };
}

async function showHelp(context: CommandContext): Promise<number> {
  const { args, options, terminal } = context;
  const given = args[0] as string;
  const { attributes: known } = await described(given, context, false).catch((error: unknown) => {
    if (!(error instanceof RuntimeError) || error.errno !== 'ENOENT') throw error;
    throw new RuntimeError(error.code, `container not found: stat ${given}: no such file or directory`, {
      cause: error,
    });
  });
  const app = options.text('app');
  const { helpfile } = app === undefined ? known : known.apps && Object.hasOwn(known.apps, app) ? known.apps[app]! : {};
  terminal.out(`${helpfile || 'No help sections were defined for this image'}\n`);
  return 0;
}

/** Errors name the image as the user named it. */
async function described(given: string, { terminal }: CommandContext, labels: boolean): Promise<DescribedImage> {
  const warn = (text: string): void => {
    if (labels || !text.startsWith('Unable to parse labels')) terminal.warning(text);
  };
  try {
    return await imageAttributes(given, warn);
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error;
    const { code, errno, path, hint, cause } = error;
    const opening = `could not open image ${resolve(given)}: `;
    if (!error.message.startsWith(opening)) throw error;
    const reason = error.message
      .slice(opening.length)
      .replace(`failed to retrieve path for ${resolve(given)}:`, `failed to retrieve path for ${given}:`);
    throw new RuntimeError(code, `Failed to open image ${given}: ${reason}`, { errno, path, hint, cause });
  }
}
