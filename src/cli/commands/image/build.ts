/** `davit build`. */
import { RuntimeError } from '../../../errors';
import type { Fetching, Wanted } from '../../../runtime/build/bundle/fetching';
import { type BuildOptions, INSIDE_VARIABLE } from '../../../runtime/build/bundle/options';
import type { Fetcher } from '../../../runtime/image/fetch/fetch';
import type { FetchOptions } from '../../../runtime/image/source/source';
import type { CommandContext } from '../../command-line/command';
import type { Options } from '../../command-line/parse';
import { version } from '../../command-line/version';
import { Progress } from '../../terminal/progress';

export async function run(context: CommandContext): Promise<number> {
  const { args, options, terminal, env } = context;
  const [target, source] = args;
  if (target === undefined || source === undefined) throw new RuntimeError('USAGE', 'accepts 2 arg(s)');
  const progress = Progress.for(terminal, options.flag('jsonProgress'));
  const say = {
    onInfo: (text: string) => progress.around(() => terminal.info(text)),
    onWarning: (text: string) => progress.around(() => terminal.warning(text)),
    onVerbose: (text: string) => progress.around(() => terminal.verbose(text)),
    onProgress: progress.onProgress,
  };
  const { buildImage } = await import('../../../runtime/build/build');
  const task = env[INSIDE_VARIABLE];
  if (task) return await (await import('../../../runtime/build/namespace-build')).continueInside(task, say);
  const { level: messageLevel, color } = terminal;
  const { fetching, close } = lazyFetching(context, progress);
  const request = { ...buildOptions(options), target, source, version: version(), messageLevel, color };
  try {
    await buildImage({ ...request, env, fetching, ...say });
    return 0;
  } finally {
    await close();
  }
}

/** Fetchers that are made when an image has to be fetched. */
function lazyFetching(context: CommandContext, progress: Progress): { fetching: Fetching; close: () => Promise<void> } {
  const fetchers: Promise<Fetcher>[] = [];
  const open = async (changes: FetchOptions): Promise<Fetcher> => {
    const fetcher = import('../../network/fetch').then(({ openFetcher }) => openFetcher(context, changes, progress));
    fetchers.push(fetcher);
    return await fetcher;
  };
  const optionsFor = ({ library }: Wanted, partOfBuild: 'base' | 'image'): FetchOptions => ({
    partOfBuild,
    ...(library === undefined ? {} : { library }),
  });
  return {
    fetching: {
      // What is unpacked again need not be small.
      async toFile(wanted) {
        const fetcher = await open({ ...optionsFor(wanted, 'base'), compression: undefined });
        return (await fetcher.toFile(await fetcher.locate(wanted.reference))).path;
      },
      async toTarget(wanted, target, additions) {
        const fetcher = await open(optionsFor(wanted, 'image'));
        await fetcher.toTarget(await fetcher.locate(wanted.reference), target, additions);
      },
    },
    close: async () => {
      for (const fetcher of fetchers) (await fetcher).close();
    },
  };
}

function buildOptions(options: Options): Omit<BuildOptions, 'target' | 'source' | 'version'> {
  return {
    arch: options.text('arch'),
    bind: options.list('bind'),
    buildArgFile: options.text('buildArgFile'),
    buildArgs: options.list('buildArg'),
    compression: options.text('compression'),
    fakeroot: options.flag('fakeroot'),
    fixPerms: options.flag('fixPerms'),
    force: options.flag('force'),
    ignoreFakerootCommand: options.flag('ignoreFakerootCommand'),
    ignoreSubuid: options.flag('ignoreSubuid'),
    json: options.flag('json'),
    jsonProgress: options.flag('jsonProgress'),
    mount: options.list('mount'),
    noCleanup: options.flag('noCleanup'),
    notest: options.flag('notest'),
    reproducible: options.flag('reproducible'),
    sandbox: options.flag('sandbox'),
    sections: options.has('section') ? options.list('section') : undefined,
    tmpdir: options.text('tmpdir'),
    update: options.flag('update'),
    warnUnusedBuildArgs: options.flag('warnUnusedBuildArgs'),
    writableTmpfs: options.flag('writableTmpfs'),
  };
}
