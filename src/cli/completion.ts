import { Argument, Command } from "commander";

const shells = ["bash", "zsh", "fish"] as const;

/** Each asks `drover complete` at every tab, so that nothing has to be made anew for a new version. */
const scripts: Record<(typeof shells)[number], string> = {
  bash: `_drover() {
  local IFS=$'\\n'
  COMPREPLY=($(drover complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _drover drover
`,
  zsh: `#compdef drover
_drover() {
  local -a found
  found=("\${(@f)$(drover complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n $found[1] ]]; then compadd -- $found; else _files; fi
}
compdef _drover drover
`,
  fish: `complete -c drover -a '(drover complete -- (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
`,
};

export const completionCommand = (): Command =>
  new Command("completion")
    .description("Print what completes commands and options in a shell")
    .addArgument(new Argument("<shell>", "which one").choices(shells))
    .addHelpText(
      "after",
      '\n  bash, in ~/.bashrc:                  eval "$(drover completion bash)"\n  zsh, in ~/.zshrc after compinit:     eval "$(drover completion zsh)"\n  fish, in ~/.config/fish/config.fish: drover completion fish | source',
    )
    .action((shell: (typeof shells)[number]) => void process.stdout.write(scripts[shell]));

/** How the word that is being written, the last one, can go on. Of a path or an id nothing is known. */
export async function candidates(
  words: readonly string[],
  names: readonly string[],
  load: (name: string) => Promise<Command | null>,
): Promise<string[]> {
  const [first = "", ...rest] = words;
  if (rest.length === 0) return [...names, "--help", "--version"].filter((name) => name.startsWith(first));
  let command = await load(first);
  const word = rest.at(-1) ?? "";
  const before = rest.slice(0, -1);
  for (const [n, each] of before.entries()) {
    if (!command) return [];
    const option = command.options.find(({ long, short }) => each === long || each === short);
    if (option?.required) {
      if (n === before.length - 1)
        return (option.argChoices ?? []).filter((choice) => choice.startsWith(word));
      continue;
    }
    const sub: Command | undefined = command.commands.find(
      (sub) => sub.name() === each || sub.aliases().includes(each),
    );
    command = sub ?? command;
  }
  if (!command) return [];
  const options = [...command.options.filter(({ hidden }) => !hidden), { long: "--help" }];
  const found = word.startsWith("-")
    ? options.map(({ long }) => long ?? "")
    : [
        ...command.commands.flatMap((sub) => [sub.name(), ...sub.aliases()]),
        ...(command.registeredArguments[0]?.argChoices ?? []),
      ];
  return found.filter((name) => name !== "" && name.startsWith(word));
}
