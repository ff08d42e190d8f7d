import { Argument, Command } from "commander";

const shells = ["bash", "zsh", "fish"] as const;

/** Each asks `drover complete` at every tab, so that nothing has to be made anew for a new version. */
const scripts: Record<(typeof shells)[number], string> = {
  // Bash takes a colon and an equals sign for the end of a word, so that an address is several.
  bash: `_drover() {
  local line=$COMP_LINE words=() word n
  for ((n = 0; n <= COMP_CWORD; n++)); do
    word=\${COMP_WORDS[n]}
    if ((n == 0)) || [[ -z $line || $line == [[:space:]]* ]]; then words+=("$word"); else words[\${#words[@]}-1]+=$word; fi
    line=\${line#"\${line%%[![:space:]]*}"}
    line=\${line#"$word"}
  done
  word=\${words[\${#words[@]}-1]}
  local IFS=$'\\n'
  COMPREPLY=($(drover complete -- "\${words[@]:1}" 2>/dev/null </dev/null))
  if [[ $word == *[:=]* ]]; then COMPREPLY=("\${COMPREPLY[@]#"\${word%"\${word##*[:=]}"}"}"); fi
}
complete -o default -F _drover drover
`,
  zsh: `#compdef drover
_drover() {
  local -a found
  found=("\${(@f)$(drover complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null </dev/null)}")
  if [[ -n $found[1] ]]; then compadd -- $found; else _files; fi
}
compdef _drover drover
`,
  fish: `complete -c drover -a '(drover complete -- (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null </dev/null)'
`,
};

export const completionCommand = (): Command =>
  new Command("completion")
    .description("Print what completes commands, options and ids in a shell")
    .addArgument(new Argument("<shell>", "which one").choices(shells))
    .addHelpText(
      "after",
      '\n  bash, in ~/.bashrc:                  eval "$(drover completion bash)"\n  zsh, in ~/.zshrc after compinit:     eval "$(drover completion zsh)"\n  fish, in ~/.config/fish/config.fish: drover completion fish | source',
    )
    .action((shell: (typeof shells)[number]) => void process.stdout.write(scripts[shell]));

/** What a server has of a noun, by ids and names. */
export type Known = (noun: string, words: readonly string[]) => Promise<string[]>;

/** How the word that is being written, the last one, can go on. Of a path nothing is known; `known` tells of ids. */
export async function candidates(
  words: readonly string[],
  names: readonly string[],
  load: (name: string) => Promise<Command | null>,
  known: Known,
): Promise<string[]> {
  const [first = "", ...rest] = words;
  if (rest.length === 0) return [...names, "--help", "--version"].filter((name) => name.startsWith(first));
  let command = await load(first);
  const word = rest.at(-1) ?? "";
  const before = rest.slice(0, -1);
  let position = 0;
  for (let n = 0; n < before.length; n++) {
    if (!command) return [];
    const each = before[n] ?? "";
    const option = command.options.find(({ long, short }) => each === long || each === short);
    if (option?.required) {
      if (n === before.length - 1)
        return goingOn(option.argChoices ?? (await known(option.attributeName(), words)), word);
      // Its value is no word of the command.
      n += 1;
      continue;
    }
    if (each.startsWith("-")) continue;
    const sub: Command | undefined = command.commands.find(
      (sub) => sub.name() === each || sub.aliases().includes(each),
    );
    if (sub) command = sub;
    else position += 1;
  }
  if (!command) return [];
  if (word.startsWith("-")) {
    const options = [...command.options.filter(({ hidden }) => !hidden), { long: "--help" }];
    return goingOn(
      options.flatMap(({ long }) => long ?? []),
      word,
    );
  }
  const subs = command.commands.flatMap((sub) => [sub.name(), ...sub.aliases()]);
  const wanted = command.registeredArguments;
  const argument = wanted[position] ?? (wanted.at(-1)?.variadic ? wanted.at(-1) : undefined);
  const noun = argument && subs.length === 0 ? argument.name() : null;
  const values = argument?.argChoices ?? (noun === null ? [] : await known(noun, words));
  return goingOn([...subs, ...values], word);
}

/** What a shell would take for anything but a word is not offered: somebody else may have chosen a name. */
const goingOn = (found: readonly string[], word: string): string[] =>
  found.filter((each) => /^[\w.:@+/-]+$/.test(each) && each.startsWith(word));
